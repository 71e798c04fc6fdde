"""Contracts of batches, and the digital twins that define their channels."""
