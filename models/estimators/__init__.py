"""Estimators: the registry of learners, how they are stored, calibration, and hazards for several horizons."""
