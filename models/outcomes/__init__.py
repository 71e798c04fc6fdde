"""Outcomes: what became of predictions once their horizon has passed, and the error rates that follow."""
