"""Upkeep of telemetry tables: files rewritten by asset, old raw telemetry deleted, what nobody reads removed."""
