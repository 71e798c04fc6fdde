"""Indicators: features of short windows of high-rate telemetry, stored as telemetry of their own."""
