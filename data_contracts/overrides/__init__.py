"""Overrides of twins as rows of telemetry, so that everything computed from telemetry uses the effective values."""
