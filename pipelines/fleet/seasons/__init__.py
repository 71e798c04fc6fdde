"""Maintenance seasons on the simulated fleet: what planning rules cost with limited crews."""
