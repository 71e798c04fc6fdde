"""The commands: thin functions that open the workspace, call the work and return its result."""
