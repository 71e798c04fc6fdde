"""What stored telemetry shows and nobody declared: counters, and machines exchanged under their id."""
