"""Telemetry as it was known at a cut-off: reconciliation, windows, gaps, operating regimes."""
