"""Contracts: what a batch of rows must look like, and the digital twins that name its channels."""
