"""Another database as a source: a query's rows in order, and up to where they were imported."""
