"""Jobs: one plain function for each operation; flows and commands call them."""
