"""Feature calculators: which compiled kernel, or which function of tsfresh, computes a named feature."""
