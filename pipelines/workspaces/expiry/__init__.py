"""What else of a workspace is kept for a time: quarantine, stored features, versions of tables, reports."""
