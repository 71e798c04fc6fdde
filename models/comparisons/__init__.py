"""Registered versions side by side on the test samples they share."""
