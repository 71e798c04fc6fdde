"""Back-tests: replay a history under several retraining rules and count what each would have cost."""
