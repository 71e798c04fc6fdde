"""Anomaly detectors: learned from healthy operation alone, with limits from blocks of time that were held out."""
