"""Live telemetry: messages checked in one sweep and stored once, with a row for each gap in their numbers."""
