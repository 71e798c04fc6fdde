"""Spare parts: the demand that predictions and experience foresee, and how many to order."""
