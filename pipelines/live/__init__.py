"""Live telemetry: payloads and topics, brokers and edges, and the listener that stores it."""
