"""Delivery of events to other systems by the clock."""
