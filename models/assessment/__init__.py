"""Assessment: how well a model ranks, at which threshold it alerts, and whether it is worth having at all."""
