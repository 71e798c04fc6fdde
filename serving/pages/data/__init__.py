"""The data page: what is in quarantine, what streams lost, and which channels no longer say anything."""
