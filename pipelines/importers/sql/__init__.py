"""Import of a query's rows from another database, once each and from where the last run ended."""
