"""Extraction: compute a recipe or a feature set, from stored telemetry or arrays, whole or as a stream."""
