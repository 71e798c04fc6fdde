"""What becomes known of the simulated machines: mechanics' reports, error codes, telemetry with dirt and delays."""
