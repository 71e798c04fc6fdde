"""Commands about twins: their states, their logs, and overrides."""
