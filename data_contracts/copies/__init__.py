"""Copies of databases and tables that are being written to: each of one state, which all of them have together."""
