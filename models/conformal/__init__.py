"""Conformal prediction intervals of remaining life and conditions, whose coverage holds by asset."""
