"""Compile the kernels ahead of time, once on a machine, so that no first prediction has to wait."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.progress import ProgressCallback, silent
from features.calculators.plan import plan_for
from features.calculators.presets import preset_features
from features.kernels.block import Block, FloatArray
from features.kernels.compilation import mark_compiled
from features.recipe.feature_set import FeatureSet, parse_feature_set
from features.telemetry.array_gaps import fill_gaps
from features.telemetry.gaps import Gaps, samples_as_due
from features.telemetry.spans import Segments

# Rare code paths (a tie that only exact arithmetic decides, a matrix that has to be scaled) must not be compiled while
# a prediction waits: hence short and long windows, and a few that are not noise.
_LENGTHS = (30, 64, 1024)


def warm_up(
    feature_set: FeatureSet | str | Mapping[Any, Any] | Iterable[str] = "comprehensive",
    *,
    progress: ProgressCallback = silent,
) -> None:
    """Run gap filling and every kernel of a feature set once, which compiles them or loads them from the cache.

    Parameters
    ----------
    feature_set
        What will be computed; everything by default.
    progress
        Called with how many kernels are ready.

    Raises
    ------
    UsageError
        For an unknown feature set.
    """
    features = parse_feature_set(feature_set).features
    kernels = list(zip(*(plan_for(features, samples).layout.steps for samples in _LENGTHS), strict=True))
    blocks = [Block(_windows(samples)) for samples in _LENGTHS]
    with np.errstate(all="ignore"):
        for number, steps in enumerate(kernels):
            progress("feature kernels", number, len(kernels))
            for block, step in zip(blocks, steps, strict=True):
                step.kernel.compute(block, step.tables, np.empty((len(step.features), block.n)))
    _fill_gaps()
    if set(features).issuperset(preset_features("comprehensive")):
        mark_compiled()
    progress("feature kernels", len(kernels), len(kernels))


def _windows(samples: int) -> FloatArray:
    noise = np.random.default_rng(0).normal(size=(2, samples))
    return np.concatenate([noise, np.round(noise), np.sign(noise), np.arange(samples)[None, :]])


def _fill_gaps() -> None:
    fill_gaps(np.zeros((1, 1, 1)), fill_for=0, most_missing=1.0)
    one = np.ones(1, dtype=np.int64)
    reading = Segments(np.zeros(1), start=0 * one, length=one, times=one)
    samples_as_due(Gaps(pd.Timedelta("1h"), pd.Timedelta("1h"), most_missing=1.0), reading, as_of=one, due=one)
