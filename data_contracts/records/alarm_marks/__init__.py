"""Marks that people set on alarms: acknowledged, or silenced for a time with a reason."""
