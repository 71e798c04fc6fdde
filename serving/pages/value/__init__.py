"""What acting on alarms has avoided: the ledger, its chart and its file."""
