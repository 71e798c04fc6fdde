"""Turns an experiment's feature settings into the recipe that a model keeps, learned from training samples alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import ModelError, UsageError, did_you_mean
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.history import History
from features.extraction.extract import extract
from features.names import parse_name
from features.recipe.fitting import fit_recipe
from features.recipe.recipe import Recipe
from features.recipe.selection import informative_columns, most_related
from models.experiment.condition_outcomes import feature_channels, outcome_history
from models.experiment.experiment import Experiment
from models.training.learners.validation_folds import folds, interval_folds
from models.training.permutation_importance import permutation_importance
from models.training.samples import Samples

# Enough to rank columns by; the model itself learns from all samples.
_RANKING_SAMPLES = 6000
# Permutation importance takes seconds for hundreds of columns and hours for tens of thousands.
_CANDIDATES_PER_KEPT = 5
_TIME_SINCE_EVENT = "events__hours_since__"


@dataclass(frozen=True)
class ColumnChoice:
    """The columns of a model and, where labels chose them, those of each validation fold by what it learns from."""

    columns: tuple[str, ...]
    by_fold: tuple[tuple[str, ...], ...] = ()  # none for a fold without failures to learn from
    reason: str | None = None  # how they were chosen; None where all stay

    def reduce(self, recipe: Recipe) -> Recipe:
        """Reduce a recipe to all of these columns, in its order."""
        chosen = set(self.columns).union(*self.by_fold)
        return recipe.reduce(column for column in recipe.output if column in chosen)


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
    recipe = fit_recipe(
        known,
        windows=experiment.windows.window,
        feature_set=plan.tsfresh,
        channels="all" if plan.channels is None else plan.channels,
        events=bool(plan.events),
        ages=plan.ages,
        event_spans=plan.event_spans,
        regimes=plan.regimes,
        operating=plan.operating_channels or None,
        regime_channels=plan.regime_channels,
        gaps=plan.gaps,
        seed=experiment.seed,
    )
    if plan.events != "counts":
        return recipe
    return recipe.reduce(column for column in recipe.output if not column.startswith(_TIME_SINCE_EVENT))


def choose_columns(
    experiment: Experiment, history: History, recipe: Recipe, samples: Samples, *, progress: ProgressCallback = silent
) -> ColumnChoice:
    """Choose the ``features.keep`` best columns by the labels of some training samples; all columns if that is 0.

    Thousands of columns of all samples would not fit into memory, and most of them are dropped: all are computed for
    some samples, and only the chosen ones for the rest. Columns keep their order.

    Each validation fold chooses its own columns, on what it learns from. The threshold and the calibration, or the
    intervals, are chosen on its predictions, which would look too good if their labels had chosen the columns already.

    References
    ----------
    Ambroise & McLachlan, "Selection bias in gene extraction on the basis of microarray gene-expression data", PNAS 99
    (2002), doi:10.1073/pnas.102102699 (selection belongs inside the folds).
    """
    _check_always(experiment.features.always, recipe)
    if not 0 < experiment.features.keep < len(recipe.output):
        return ColumnChoice(recipe.output)
    places = _ranking_samples(samples.train, experiment)
    ranked = samples.train.iloc[places]
    features = extract(history, ranked[["asset", "as_of"]], recipe, progress=progress)
    target = ranked["target"].to_numpy(np.float64)
    chosen = _best_columns(experiment, recipe, features, target)
    if experiment.target == "failure":
        validation = list(folds(experiment, samples.learned, experiment.purge))
    else:
        failed = outcome_history(experiment, history).failures["asset"]
        validation = list(interval_folds(experiment, samples.learned["asset"], failed))
    by_fold = []
    for number, (learn, _) in enumerate(validation):
        progress("train: columns of each validation fold", number, len(validation))
        rows = learn[places]
        enough = np.unique(target[rows]).size >= 2
        by_fold.append(_best_columns(experiment, recipe, features[rows], target[rows]).columns if enough else ())
    return replace(chosen, by_fold=tuple(by_fold))


def drop_uninformative(recipe: Recipe, features: pd.DataFrame) -> Recipe:
    """Reduce the recipe to its columns that differ between training samples; no label is looked at."""
    return recipe.reduce(_informative(features[list(recipe.output)]))


def _best_columns(
    experiment: Experiment, recipe: Recipe, features: pd.DataFrame, target: npt.NDArray[np.float64]
) -> ColumnChoice:
    """Choose the columns that always stay and, of the others, the most important ones that help on held-out assets."""
    columns, keep = _informative(features), experiment.features.keep
    required = _required_columns(experiment, recipe, columns)
    optional = [column for column in columns if column not in required]
    if keep >= len(optional):
        return ColumnChoice(columns)
    candidates = most_related(features[optional], target, _CANDIDATES_PER_KEPT * keep)
    importance = permutation_importance(experiment, features, (*candidates, *sorted(required)), target)
    importance = importance[list(candidates)]
    best = set(importance[importance > 0].sort_values(ascending=False, kind="stable").index[:keep])
    reason = f"{len(best):,} of {len(optional):,} columns, those that help most on assets held out"
    if not best:
        reason = f"none of {len(optional):,} columns helps on assets held out"
        # The context alone would be a model that looks at no telemetry.
        if required <= set(recipe.context.columns):
            best = set(most_related(features[list(candidates)], target, keep))
            reason += f", so the {len(best):,} most related to the target by rank correlation"
    if required:
        reason += f"; and {len(required):,} that always stay"
    return ColumnChoice(tuple(column for column in columns if column in best | required), reason=reason)


def _informative(features: pd.DataFrame) -> tuple[str, ...]:
    columns = informative_columns(features)
    if not columns:
        raise ModelError(
            f"all {features.shape[1]} features are constant or null in {len(features)} training samples",
            "features that differ between samples",
            "Check windows and channels against the telemetry",
        )
    return columns


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


def _ranking_samples(train: pd.DataFrame, experiment: Experiment) -> npt.NDArray[np.intp]:
    """Draw places of samples, failures first: these are rare, and columns are ranked by how they announce them."""
    rng = np.random.default_rng(experiment.seed)
    places = rng.permutation(len(train))
    if experiment.target == "failure":
        fails = train["target"].to_numpy()[places] > 0
        chosen = np.concatenate([places[fails][: _RANKING_SAMPLES // 2], places[~fails]])[:_RANKING_SAMPLES]
    else:
        chosen = places[:_RANKING_SAMPLES]
    return np.sort(chosen)


def _known_in_training(history: History, train: pd.DataFrame) -> History:
    return history.as_of(train["as_of"].max()).among(train["asset"])
