"""Promises: the error rates against which a champion is monitored, and how high they may be by their evidence."""
