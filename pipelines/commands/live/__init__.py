"""Commands of live telemetry."""
