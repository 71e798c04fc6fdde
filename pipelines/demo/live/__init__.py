"""The demonstration of live telemetry: machines at 100 Hz, a broker that fails, a bearing that wears out."""
