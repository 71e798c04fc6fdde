"""A plant of CNC machines that sends a hundred readings a second of each channel, to try live telemetry on."""
