"""Commands about digital twins and the graph of assets."""
