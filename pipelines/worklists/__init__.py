"""The worklist on the terminal, and as files."""
