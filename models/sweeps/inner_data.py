"""What a search may know: the training period, or the training assets, and nothing of the test."""

import glob
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from features.recipe.recipe import named_channels
from models.estimators.estimators import learns_lives
from models.experiment.condition_outcomes import outcome_history
from models.experiment.experiment import Experiment
from models.experiment.sweep_plan import SweepPlan
from models.labels.observed_cut_offs import observed_cut_offs
from models.sweeps.held_out_folds import HeldOut, held_out_folds
from models.sweeps.search_space import SearchSpace
from models.training.samples import draw_samples, observation_rule
from models.training.splits import by_asset
from models.training.training import latest_known_time

_KEYS = ["asset", "as_of"]


@dataclass(frozen=True)
class InnerData:
    """The history before the test, its labelled cut-offs, and the folds that trials are judged by."""

    history: History
    train: pd.DataFrame  # asset, as_of and target of the samples, the same for every trial
    folds: tuple[HeldOut, ...]


def refuse_unsearchable(experiment: Experiment) -> None:
    """Raise `UsageError` for an experiment whose test no search can be kept from, or whose score says too little."""
    if experiment.split.crossed:
        raise UsageError(
            f"split.kind is {experiment.split.kind!r}, which tests every asset",
            '"time" or "asset", so that a test is left that the search has not seen',
            "Add --set split.kind=asset --set split.test_share=0.3, or a test_start",
        )
    if experiment.features.budget is not None:
        raise UsageError(
            "features.budget", "features.keep, which trials share", "Search without it, and add it to what was chosen"
        )
    if experiment.target != "anomaly" and learns_lives(experiment.estimator.kind):
        found = f"the estimator {experiment.estimator.kind!r}, which learns lives"
        raise UsageError(found, "one that learns labels", "Choose its keys by hand, see `forewarn compare`")
    if experiment.target == "anomaly":
        raise UsageError("target anomaly", "a target with labels to compare trials by", "Choose its keys by hand")
    if experiment.label.several:
        raise UsageError(
            "label.horizons with several horizons",
            "one horizon, by which trials are compared",
            "Search without label.horizons, and add it to what was chosen",
        )


def with_named_test(experiment: Experiment, history: History) -> Experiment:
    """Name the test assets of a share that is drawn: with other windows it would be drawn among others.

    The test assets of the search and of what it chooses have to be the same.
    """
    plan = experiment.split
    if plan.kind != "asset" or plan.test_share is None:
        return experiment
    rule, data = observation_rule(experiment), experiment.data
    cut_offs = observed_cut_offs(history, experiment.windows.stride, rule, start=data.start, end=data.end).cut_offs
    drawn = by_asset(cut_offs, share=plan.test_share, seed=experiment.seed)
    names = tuple(glob.escape(name) for name in sorted(set(cut_offs["asset"][drawn.test])))
    return experiment.with_split(test=names, test_share=None)


def inner_data(space: SearchSpace, history: History, plan: SweepPlan) -> InnerData:
    """Return what a search of this space may know of a history.

    Split by time, it is the history as it was known when the test period began; split by asset, that of the other
    assets. Samples are the cut-offs at which assets were observed whichever windows are chosen, so that all trials are
    judged on the same.
    """
    base = space.base
    for channels in space.choices("features.channels"):
        named_channels(channels, history.channels)
    inner = _before_test(base, history)
    until = base.split.test_start if base.split.kind == "time" and base.split.test_start else latest_known_time(inner)
    drawn = [draw_samples(_inner(own), inner, until, check_test=False).train for own in space.windows]
    train = drawn[0]
    for other in drawn[1:]:
        train = train[pd.MultiIndex.from_frame(train[_KEYS]).isin(pd.MultiIndex.from_frame(other[_KEYS]))]
    train = train.sort_values(_KEYS, ignore_index=True)
    train = train[train.groupby("asset").cumcount() % plan.every == 0].reset_index(drop=True)
    failed = outcome_history(base, inner).failures["asset"]
    return InnerData(inner, train[[*_KEYS, "target"]], held_out_folds(base, train, failed, plan))


def _before_test(experiment: Experiment, history: History) -> History:
    plan = experiment.split
    if plan.kind == "time" and plan.test_start is not None:
        return history.as_of(plan.test_start)
    names = {*history.telemetry_assets, *history.assets["asset"]}
    return history.among(name for name in names if not any(fnmatchcase(name, pattern) for pattern in plan.test))


def _inner(experiment: Experiment) -> Experiment:
    """Return the experiment without its test assets, which are gone: all that are left are learned from."""
    if experiment.split.kind == "time":
        return experiment
    return replace(experiment, split=replace(experiment.split, kind="cross", test=(), test_share=None))
