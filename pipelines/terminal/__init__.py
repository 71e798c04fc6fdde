"""Output for a terminal: tables, figures and progress bars."""
