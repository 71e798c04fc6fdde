"""The database of the records: its URL, its connections, its tables, and what its errors mean."""
