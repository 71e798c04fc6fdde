"""Alarms as people work on them: what mechanics found, acknowledged, silenced."""
