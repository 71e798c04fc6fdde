"""The commands about planning and what it is worth."""
