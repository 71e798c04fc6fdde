"""Which training samples are predicted out of fold, and by fits to which others."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.experiment.experiment import Experiment
from models.training.splits import asset_folds

Rows = npt.NDArray[np.bool_]
_INTERVAL_FOLDS = 5
_FEWEST_ASSETS = 2


def folds(experiment: Experiment, train: pd.DataFrame, purge: pd.Timedelta) -> Iterator[tuple[Rows, Rows]]:
    """Yield masks (n_train,) of the samples to learn from and to predict, for each fold of the validation share.

    The purge is how far the labels of the samples to learn from look ahead.
    """
    plan = experiment.split
    if plan.kind != "time":
        yield from _asset_folds(
            train["asset"].to_numpy(dtype=object).astype(str), plan.validation, plan.folds, experiment.seed
        )
        return
    as_of = train["as_of"]
    first, last = as_of.min(), as_of.max()
    shares = np.linspace(1.0 - plan.validation, 1.0, plan.folds + 1)
    edges = [first + (last - first) * float(share) for share in shares]
    edges[-1] = last + pd.Timedelta(1, "us")
    for begin, end in itertools.pairwise(edges):
        yield (as_of + purge < begin).to_numpy(), ((as_of >= begin) & (as_of < end)).to_numpy()


def interval_folds(
    experiment: Experiment, asset: "pd.Series[str]", failed: Iterable[str]
) -> Iterator[tuple[Rows, Rows]]:
    """Yield masks (n,) of the samples to learn from and to predict, so that each is predicted without its asset.

    None for failures, without a level, and for a single asset.
    """
    n_assets = asset.nunique()
    if experiment.target == "failure" or not experiment.evaluation.interval_level or n_assets < _FEWEST_ASSETS:
        return
    for assets in asset_folds(asset, failed, min(_INTERVAL_FOLDS, n_assets), experiment.seed):
        predict = asset.isin(assets).to_numpy(dtype=np.bool_)
        yield ~predict, predict


def _asset_folds(asset: npt.NDArray[np.str_], share: float, folds: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    assets = np.random.default_rng(seed).permutation(np.unique(asset))
    chosen = assets[: max(folds, round(share * len(assets)))]
    for part in np.array_split(chosen, folds):
        predict = np.isin(asset, part)
        yield ~predict, predict
