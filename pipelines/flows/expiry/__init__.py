"""Runs of flows that are kept no longer."""
