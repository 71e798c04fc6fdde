"""The parts of a retraining: holdout, result, refit after a promotion, and going on where one was cut off."""
