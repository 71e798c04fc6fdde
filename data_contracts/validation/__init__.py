"""Running a contract against a batch: Great Expectations does the checks, and a report holds their results."""
