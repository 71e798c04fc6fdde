"""Bytes of an MQTT message to telemetry and back, and which topic carries what; pure, without network or clock."""
