"""Assessment: how well a model ranks, and whether it is worth having at all."""
