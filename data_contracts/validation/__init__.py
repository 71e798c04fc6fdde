"""Validation of a batch against its contract: Great Expectations runs the checks, a report holds the results."""
