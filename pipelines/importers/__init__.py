"""Importers: one module for each public data set or kind of source."""
