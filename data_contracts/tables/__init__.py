"""Delta tables: telemetry and the other append-only history, read and written in atomic, idempotent commits."""
