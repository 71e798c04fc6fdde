"""Sparkplug B (Eclipse Sparkplug Specification 3.0.0): the wire format, births, and data by alias."""
