"""Part of forewarn."""
