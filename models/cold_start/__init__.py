"""Cold start: what is said of an asset, or a whole type, before it has a model or a baseline of its own."""
