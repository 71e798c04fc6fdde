"""Orders of spare parts: gathered from what is known at a time, and put into words."""
