"""Names of people in the records: where they are, and how they are removed."""
