"""Several listeners of one workspace: each takes a partition of the assets, by lease."""
