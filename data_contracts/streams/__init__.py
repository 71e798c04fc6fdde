"""Live telemetry: sessions and gaps, messages checked in one sweep, and each stored once."""
