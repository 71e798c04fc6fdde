"""What is looked at in a workspace, a file for each section of the rubric."""
