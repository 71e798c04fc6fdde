"""What if: comparisons with what is done today that were computed, and how to ask for another."""
