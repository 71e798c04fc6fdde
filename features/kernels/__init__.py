"""Vectorised calculators under tsfresh's names."""
