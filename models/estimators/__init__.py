"""Estimators: the learners by name, their calibration, and how each is stored without pickle."""
