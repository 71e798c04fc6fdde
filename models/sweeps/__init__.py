"""Searching for a better configuration inside the training period: spaces, trials, folds, the choice among trials."""
