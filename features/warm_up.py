"""Compile the kernels before they are needed: once on a machine, so that no first window has to wait."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from data_contracts.progress import Report, silent
from features.feature_set import FeatureSet, parse_feature_set
from features.kernels.block import Block, FloatArray
from features.plan import plan_for

# What hardly any window asks for (a tie that only exact arithmetic decides, a matrix that has to be scaled) must not be
# compiled while a prediction waits: so short windows and long ones, and a few that are like no noise.
_LENGTHS = (64, 1024)


def warm_up(
    feature_set: FeatureSet | str | Mapping[Any, Any] | Iterable[str] = "comprehensive", *, progress: Report = silent
) -> None:
    """Run every kernel of a feature set once, which compiles it or loads what was compiled before.

    Parameters
    ----------
    feature_set
        What will be computed; everything if not told.
    progress
        Told how many kernels are ready.
    """
    features = parse_feature_set(feature_set).features
    kernels = list(zip(*(plan_for(features, samples).layout.steps for samples in _LENGTHS), strict=True))
    blocks = [Block(_windows(samples)) for samples in _LENGTHS]
    with np.errstate(all="ignore"):
        for number, steps in enumerate(kernels):
            progress("feature kernels", number, len(kernels))
            for block, step in zip(blocks, steps, strict=True):
                step.kernel.compute(block, step.tables, np.empty((len(step.features), block.n)))
    progress("feature kernels", len(kernels), len(kernels))


def _windows(samples: int) -> FloatArray:
    noise = np.random.default_rng(0).normal(size=(2, samples))
    return np.concatenate([noise, np.round(noise), np.sign(noise), np.arange(samples)[None, :]])
