"""Learners of lives that may be cut off: when something fails, where for many it is only known how long it did not."""
