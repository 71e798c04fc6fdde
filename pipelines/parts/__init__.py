"""Orders of spare parts on the terminal."""
