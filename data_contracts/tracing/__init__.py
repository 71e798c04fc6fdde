"""Traces: what a request or a job spends its time on, exported over OTLP where the environment names a collector."""
