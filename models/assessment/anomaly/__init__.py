"""Assessing a detector of anomalies: its limit by held-out blocks, its figures, the CARE score."""
