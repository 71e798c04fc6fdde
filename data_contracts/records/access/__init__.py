"""People at the pages of the endpoint: their sessions, and what they did."""
