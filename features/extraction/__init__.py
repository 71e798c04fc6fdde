"""Feature extraction from stored telemetry or arrays, in memory or as a stream."""
