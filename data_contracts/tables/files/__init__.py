"""Data files of the tables: written with checksums in their names, and compared with these before models learn."""
