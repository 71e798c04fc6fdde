"""Telemetry as it was known at a cut-off: windows, gaps, operating regimes."""
