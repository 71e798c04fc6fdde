"""Labels: what happened to an asset after each cut-off, as far as it was observed."""
