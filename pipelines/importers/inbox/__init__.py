"""The inbox: files that stay where they are after they were ingested."""
