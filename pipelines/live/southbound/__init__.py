"""Southbound: commands to machines by way of the broker, and their answers into the records."""
