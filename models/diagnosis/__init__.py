"""Diagnosis: faults of the data that would explain a change of the error rates."""
