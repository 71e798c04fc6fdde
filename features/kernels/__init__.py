"""Vectorised calculators under tsfresh's names, one file a family.

A kernel takes a `Block` of series of one length and gives one value a series, tsfresh's value. `registry.KERNELS` joins
names to kernels; stages that several kernels need (the sum, the sort, the centred series) live in the block.
"""
