"""The worklist: what the crews repair on which day, as a page, a table and a calendar."""
