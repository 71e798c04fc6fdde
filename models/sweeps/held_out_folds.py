"""Folds by asset and time: what is predicted is of assets, and of a time, that nothing was learned from.

References
----------
Roberts et al., "Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic structure",
Ecography 40 (2017), doi:10.1111/ecog.02881. Lopez de Prado, *Advances in Financial Machine Learning* (2018), section
7.4 (purging).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.experiment.experiment import Experiment
from models.experiment.sweep_plan import SweepPlan
from models.training.learners.validation_folds import folds
from models.training.splits import asset_folds

Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class HeldOut:
    """Assets that are held out together, predicted in one step or several."""

    assets: tuple[str, ...]
    steps: tuple[tuple[Rows, Rows], ...]  # masks (n,) of the samples to learn from, and of those to predict


def held_out_folds(
    experiment: Experiment, train: pd.DataFrame, failed: Iterable[str], plan: SweepPlan
) -> tuple[HeldOut, ...]:
    """Divide samples (asset, as_of) into folds by asset; split by time, each step of a fold learns from before it.

    The purge is how far the labels look ahead, so that none of them reaches into the time that is predicted.
    """
    everything = np.ones(len(train), dtype=np.bool_)
    steps = [(everything, everything)]
    if experiment.split.kind == "time":
        in_steps = replace(experiment, split=replace(experiment.split, folds=plan.steps))
        steps = list(folds(in_steps, train, experiment.purge))
    held_out = []
    for assets in asset_folds(train["asset"], failed, plan.folds, experiment.seed):
        own = train["asset"].isin(assets).to_numpy(dtype=np.bool_)
        held_out.append(HeldOut(assets, tuple((learn & ~own, predict & own) for learn, predict in steps)))
    return tuple(held_out)
