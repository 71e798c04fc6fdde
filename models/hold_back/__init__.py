"""Alarms held back at random: which ones, and what acting on the others is worth."""
