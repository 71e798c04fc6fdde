"""Columns within a budget of time: which are worth what they cost, and what another budget would give."""
