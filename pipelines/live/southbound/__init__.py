"""Southbound: what machines are to be told, to the broker, and their answers into the records."""
