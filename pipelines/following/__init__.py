"""What follows from live telemetry beside storing it: indicators and predictions."""
