"""Rows of the records that are kept no longer."""
