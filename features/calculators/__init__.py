"""Feature calculators: the compiled kernel, or the function of tsfresh, behind each feature."""
