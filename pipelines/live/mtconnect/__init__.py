"""Machines read from an MTConnect agent: probe, current, sample; drafts of a mapping from what it describes."""
