"""Compiled functions that more than one family of kernels calls.

They are separate because a change here must recompile every kernel: see `features.kernels.compilation`.
"""
