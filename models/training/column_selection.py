"""From an experiment's plan of features to the recipe that a model keeps, learned on training samples alone."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import ModelError, UsageError, did_you_mean
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.history import FRAMES, History
from features.extraction.extract import extract
from features.names import parse_name
from features.recipe.fitting import fit_recipe
from features.recipe.recipe import Recipe
from features.recipe.selection import informative_columns, most_related
from models.experiment.experiment import Experiment
from models.training.permutation_importance import permutation_importance

# Enough to rank columns by; what a model then learns from is all samples.
_TRIAL_SAMPLES = 6000
# What columns are worth beside each other takes seconds for hundreds of them and hours for tens of thousands.
_TRIED_FOR_EACH_KEPT = 5


def learn_recipe(experiment: Experiment, history: History, train: pd.DataFrame) -> Recipe:
    """Make the recipe with every column that the experiment asks for.

    Event codes, components, models and operating regimes are those of the training assets, as known at the last
    training cut-off.

    Parameters
    ----------
    experiment
        Its windows and features.
    history
        What is known about the assets.
    train
        The training cut-offs: ``asset``, ``as_of``.

    Returns
    -------
    Recipe
    """
    plan = experiment.features
    return fit_recipe(
        _known_in_training(history, train),
        windows=experiment.windows.window,
        feature_set=plan.tsfresh,
        channels="all" if plan.channels is None else plan.channels,
        events=plan.events,
        ages=plan.ages,
        event_spans=plan.event_spans,
        regimes=plan.regimes,
        operating=plan.operating_channels or None,
        regime_channels=plan.regime_channels,
        gaps=plan.gaps,
        seed=experiment.seed,
    )


def preselect(
    experiment: Experiment,
    history: History,
    recipe: Recipe,
    train: pd.DataFrame,
    *,
    progress: ProgressCallback = silent,
) -> Recipe:
    """Choose the columns that ``features.keep`` leaves on a trial of the training samples.

    Thousands of columns of all samples would not fit into memory, and most of them are dropped: all are computed for
    some samples, and only those that stay for the rest.

    Parameters
    ----------
    experiment
        Its ``features.keep``; nothing is dropped when that is 0.
    history
        What is known about the assets.
    recipe
        The recipe with all columns.
    train
        The training samples: ``asset``, ``as_of``, ``target``.
    progress
        Takes word of how far the extraction is.

    Returns
    -------
    Recipe
        Reduced to the columns that stay, in their old order.

    Raises
    ------
    UsageError
        If ``features.always`` names a feature that is none of ``features.tsfresh``.
    """
    _refuse_unknown(experiment.features.always, recipe)
    if not 0 < experiment.features.keep < len(recipe.output):
        return recipe
    trial = _trial(train, experiment)
    features = extract(history, trial[["asset", "as_of"]], recipe, progress=progress)
    return select_columns(experiment, recipe, features, trial["target"].to_numpy(np.float64))


def select_columns(
    experiment: Experiment, recipe: Recipe, features: pd.DataFrame, target: npt.NDArray[np.float64]
) -> Recipe:
    """Leave out columns that say nothing, and keep the most important ones if the experiment limits them.

    Parameters
    ----------
    experiment
        Its ``features.keep`` and ``features.always``.
    recipe
        The recipe with all columns.
    features
        The training samples' features.
    target
        What is to be learned, shape (n_train,).

    Returns
    -------
    Recipe
        Reduced to the columns that stay, in their old order.

    Raises
    ------
    ModelError
        If no column says anything.
    """
    columns = informative_columns(features)
    if not columns:
        raise ModelError(
            f"all {features.shape[1]} features are constant or null in {len(features)} training samples",
            "features that differ between samples",
            "Check windows and channels against the telemetry",
        )
    keep = experiment.features.keep
    sure = _sure(experiment, recipe, columns)
    asked = [column for column in columns if column not in sure]
    if 0 < keep < len(asked):
        likely = most_related(features[asked], target, _TRIED_FOR_EACH_KEPT * keep)
        worth = permutation_importance(experiment, features, (*likely, *sorted(sure)), target)[list(likely)]
        best = sure.union(worth[worth > 0].sort_values(ascending=False, kind="stable").index[:keep])
        columns = tuple(column for column in columns if column in best) or likely[:keep]
    return recipe.reduce(columns)


def _sure(experiment: Experiment, recipe: Recipe, columns: tuple[str, ...]) -> set[str]:
    """Name the columns that stay whatever they are worth: the asset's circumstances, and what `always` names."""
    always = set(experiment.features.always)
    context = set(recipe.context.columns)
    return {column for column in columns if column in context or parse_name(column).feature in always}


def _refuse_unknown(always: Sequence[str], recipe: Recipe) -> None:
    for name in always:
        if name not in recipe.feature_set.features:
            raise UsageError(
                f"features.always names {name!r}",
                "a feature of features.tsfresh",
                did_you_mean(name, recipe.feature_set.features) or "Write a list of names, each in quotes",
            )


def _trial(train: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Draw samples at random, failures first: these are rare, and what foretells them is to be found."""
    rng = np.random.default_rng(experiment.seed)
    places = rng.permutation(len(train))
    if experiment.target == "failure":
        fails = train["target"].to_numpy()[places] > 0
        chosen = np.concatenate([places[fails][: _TRIAL_SAMPLES // 2], places[~fails]])[:_TRIAL_SAMPLES]
    else:
        chosen = places[:_TRIAL_SAMPLES]
    return train.iloc[np.sort(chosen)]


def _known_in_training(history: History, train: pd.DataFrame) -> History:
    known = history.as_of(train["as_of"].max())
    assets = set(train["asset"])
    frames = {name: getattr(known, name) for name in FRAMES}
    return replace(known, **{name: frame[frame["asset"].isin(assets)] for name, frame in frames.items()})
