"""The listener: telemetry from a broker into the tables, each message once."""
