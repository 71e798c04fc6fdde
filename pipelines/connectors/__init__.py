"""Connectors: events of the outbox on their way to other systems and to people."""
