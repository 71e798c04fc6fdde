"""Ingestion: every row of a batch is stored or quarantined, exactly once, and quarantined rows can be replayed."""
