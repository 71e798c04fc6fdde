"""Back-tests: replaying a history under several retraining rules, and what each would have cost."""
