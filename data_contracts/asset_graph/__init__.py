"""The graph of plants, lines, machines and components as it was known at a time, asked by recursive SQL."""
