"""Vectorised calculators under tsfresh's names, one file a family.

A kernel takes a `Block` of series of one length and computes one value a series, equal to tsfresh's. `registry.KERNELS`
maps names to kernels; stages that several kernels need (the sum, the sort, the centred series) live in the block.
"""
