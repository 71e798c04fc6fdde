"""What each command of the command line does: thin functions that open the workspace, call the work and return its result."""
