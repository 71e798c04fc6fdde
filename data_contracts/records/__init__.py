"""SQL records: predictions, answers, outcomes, the promotion ledger, leases and tokens."""
