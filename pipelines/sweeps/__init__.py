"""Running a sweep: its trials in this process or several, what was chosen, written and trained."""
