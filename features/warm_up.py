"""Compile the kernels before they are needed: once on a machine, so that no first window has to wait."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from data_contracts.progress import Report, silent
from features.feature_set import FeatureSet, parse_feature_set
from features.kernels.block import Block
from features.plan import plan_for

_SAMPLES = 64


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
    steps = plan_for(parse_feature_set(feature_set).features, _SAMPLES).layout.steps
    series = np.random.default_rng(0).normal(size=(4, _SAMPLES))
    block = Block(series)
    with np.errstate(all="ignore"):
        for number, step in enumerate(steps):
            progress("feature kernels", number, len(steps))
            step.kernel.compute(block, step.tables, np.empty((len(step.features), len(series))))
    progress("feature kernels", len(steps), len(steps))
