"""Settings of the workspace and the experiment files, read once at the entry points."""
