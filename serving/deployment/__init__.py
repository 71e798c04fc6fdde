"""Deployment: which model version a worker serves, how it is validated and how workers swap it."""
