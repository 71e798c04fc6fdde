"""Failure modes: which of them a failure will be of, its probability beside that of failing at all, and its figures."""
