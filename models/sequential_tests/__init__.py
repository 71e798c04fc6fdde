"""Sequential tests: evidence that a rate is worse than promised, valid at every look; of numbers only."""
