"""Outcomes: what happened after each prediction, once its horizon has passed, and the error rates that follow."""
