"""Importers: one file a public data set or kind of source."""
