"""Jobs: one plain function for each verb; flows and commands call them."""
