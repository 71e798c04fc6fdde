"""The commands about planning: spare parts to order."""
