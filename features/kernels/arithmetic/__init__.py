"""Compiled functions that more than one family of kernels calls.

They live apart because a change here must compile every kernel anew: see `features.kernels.compilation`.
"""
