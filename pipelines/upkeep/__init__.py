"""Upkeep of a workspace's telemetry: what is rewritten, deleted and removed, by the settings."""
