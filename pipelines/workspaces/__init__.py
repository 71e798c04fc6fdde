"""A workspace as a whole: backed up, restored, upgraded, pruned."""
