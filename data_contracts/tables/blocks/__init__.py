"""Telemetry in blocks of assets: memory holds one block at a time, however long the history is."""
