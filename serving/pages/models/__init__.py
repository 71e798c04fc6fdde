"""The models page: whether the champion keeps its promise, its history, challengers, and who follows it."""
