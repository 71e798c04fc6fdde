"""Keeps indicators up with the telemetry that they are computed from."""
