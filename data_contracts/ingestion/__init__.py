"""Ingestion: every row of a batch is stored or quarantined, exactly once; quarantined rows can be replayed."""
