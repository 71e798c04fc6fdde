"""Commands about twins: their states and overrides, their import, and the graph of assets."""
