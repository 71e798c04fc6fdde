"""Trainings that are kept no longer."""
