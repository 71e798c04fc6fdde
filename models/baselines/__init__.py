"""Baselines of single assets: from which of its windows one is learned, how, and when it takes over from the type's."""
