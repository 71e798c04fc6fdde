"""Spare parts: what to order now, and why."""
