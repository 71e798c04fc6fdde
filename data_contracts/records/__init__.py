"""Records in SQL that are looked up and updated: predictions, outcomes, the ledger, leases and tokens."""
