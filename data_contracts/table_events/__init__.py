"""Events of what was stored in tables, which have no transaction with the outbox: derived from what is stored."""
