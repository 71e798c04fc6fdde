"""Explanations of predictions: the columns that drive a score, and what they say in words."""
