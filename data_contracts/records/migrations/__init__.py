"""Versions of the tables of records, and what brings an earlier one to the next."""
