"""Turns an experiment's feature settings into the recipe that a model keeps, learned from training samples alone."""

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
from models.experiment.condition_outcomes import feature_channels
from models.experiment.experiment import Experiment
from models.training.permutation_importance import permutation_importance

# Enough to rank columns by; the model itself learns from all samples.
_RANKING_SAMPLES = 6000
# Permutation importance takes seconds for hundreds of columns and hours for tens of thousands.
_CANDIDATES_PER_KEPT = 5


def learn_recipe(experiment: Experiment, history: History, train: pd.DataFrame) -> Recipe:
    """Make the recipe with every column that the experiment's settings describe.

    Event codes, components, asset models and operating regimes are those of the training assets, as known at the last
    training cut-off.
    """
    plan = experiment.features
    known = _known_in_training(history, train)
    if plan.channels is None and (channels := feature_channels(experiment, history)) is not None:
        # So that the condition is no operating channel either.
        known = replace(known, channels=channels)
    return fit_recipe(
        known,
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
    """Reduce the recipe to the ``features.keep`` best columns on some of the training samples; unchanged if that is 0.

    Thousands of columns of all samples would not fit into memory, and most of them are dropped: all are computed for
    some samples, and only the kept ones for the rest. Columns keep their order.
    """
    _check_always(experiment.features.always, recipe)
    if not 0 < experiment.features.keep < len(recipe.output):
        return recipe
    samples = _ranking_samples(train, experiment)
    features = extract(history, samples[["asset", "as_of"]], recipe, progress=progress)
    return select_columns(experiment, recipe, features, samples["target"].to_numpy(np.float64))


def select_columns(
    experiment: Experiment, recipe: Recipe, features: pd.DataFrame, target: npt.NDArray[np.float64]
) -> Recipe:
    """Reduce the recipe to its informative columns and, if the experiment limits them, to the most important of these.

    Takes the features and targets (n_train,) of training samples. Columns keep their order.
    """
    columns = informative_columns(features)
    if not columns:
        raise ModelError(
            f"all {features.shape[1]} features are constant or null in {len(features)} training samples",
            "features that differ between samples",
            "Check windows and channels against the telemetry",
        )
    keep = experiment.features.keep
    required = _required_columns(experiment, recipe, columns)
    optional = [column for column in columns if column not in required]
    if 0 < keep < len(optional):
        candidates = most_related(features[optional], target, _CANDIDATES_PER_KEPT * keep)
        importance = permutation_importance(experiment, features, (*candidates, *sorted(required)), target)
        importance = importance[list(candidates)]
        best = required.union(importance[importance > 0].sort_values(ascending=False, kind="stable").index[:keep])
        columns = tuple(column for column in columns if column in best) or candidates[:keep]
    return recipe.reduce(columns)


def _required_columns(experiment: Experiment, recipe: Recipe, columns: tuple[str, ...]) -> set[str]:
    """Return the columns kept regardless of importance: the asset's context, and the features in `always`."""
    always = set(experiment.features.always)
    context = set(recipe.context.columns)
    return {column for column in columns if column in context or parse_name(column).feature in always}


def _check_always(always: Sequence[str], recipe: Recipe) -> None:
    for name in always:
        if name not in recipe.feature_set.features:
            raise UsageError(
                f"features.always names {name!r}",
                "a feature of features.tsfresh",
                did_you_mean(name, recipe.feature_set.features) or "Write a list of names, each in quotes",
            )


def _ranking_samples(train: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Draw samples at random, failures first: these are rare, and columns are ranked by how they announce them."""
    rng = np.random.default_rng(experiment.seed)
    places = rng.permutation(len(train))
    if experiment.target == "failure":
        fails = train["target"].to_numpy()[places] > 0
        chosen = np.concatenate([places[fails][: _RANKING_SAMPLES // 2], places[~fails]])[:_RANKING_SAMPLES]
    else:
        chosen = places[:_RANKING_SAMPLES]
    return train.iloc[np.sort(chosen)]


def _known_in_training(history: History, train: pd.DataFrame) -> History:
    known = history.as_of(train["as_of"].max())
    assets = set(train["asset"])
    frames = {name: getattr(known, name) for name in FRAMES}
    return replace(known, **{name: frame[frame["asset"].isin(assets)] for name, frame in frames.items()})
