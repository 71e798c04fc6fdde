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
from features.recipe.column_cost import ColumnCost
from features.recipe.fitting import fit_recipe
from features.recipe.recipe import Recipe
from features.recipe.selection import informative_columns, most_related
from models.experiment.condition_outcomes import feature_channels, outcome_history
from models.experiment.experiment import Experiment
from models.training.columns.budget_curve import BudgetPoint, RankedColumns, budget_curve
from models.training.columns.budgeted import affordable, within_budget
from models.training.columns.series_lengths import measure_series
from models.training.learners.validation_folds import folds, interval_folds
from models.training.permutation_importance import permutation_importance
from models.training.samples import Samples

# Enough to rank columns by; the model itself learns from all samples.
_RANKING_SAMPLES = 6000
# Permutation importance takes seconds for hundreds of columns and hours for tens of thousands.
_CANDIDATES_PER_KEPT = 5
_CANDIDATES_OF_A_BUDGET = 300
_TIME_SINCE_EVENT = "events__hours_since__"


@dataclass(frozen=True)
class ColumnChoice:
    """The columns of a model and, where labels chose them, those of each validation fold by what it learns from."""

    columns: tuple[str, ...]
    by_fold: tuple[tuple[str, ...], ...] = ()  # none for a fold without failures to learn from
    reason: str | None = None  # how they were chosen; None where all stay
    curve: tuple[BudgetPoint, ...] = ()  # what other budgets would give; none without a budget

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
    """Choose the best columns by the labels of some training samples: ``features.keep``, or what a budget buys.

    All columns stay if ``keep`` is 0 and there is no budget.

    Thousands of columns of all samples would not fit into memory, and most of them are dropped: all are computed for
    some samples, and only the chosen ones for the rest. Columns keep their order.

    Each validation fold chooses its own columns, on what it learns from. The threshold and the calibration, or the
    intervals, are chosen on its predictions, which would look too good if their labels had chosen the columns already.

    References
    ----------
    Ambroise & McLachlan, "Selection bias in gene extraction on the basis of microarray gene-expression data", PNAS 99
    (2002), doi:10.1073/pnas.102102699 (selection belongs inside the folds).
    """
    check_always(experiment.features.always, recipe)
    if not 0 < experiment.features.keep < len(recipe.output) and experiment.features.budget is None:
        return ColumnChoice(recipe.output)
    places = ranking_samples(samples.train, experiment)
    ranked = samples.train.iloc[places]
    features = extract(history, ranked[["asset", "as_of"]], recipe, progress=progress)
    cost = None if experiment.features.budget is None else measure_series(history, ranked, recipe)
    target = ranked["target"].to_numpy(np.float64)
    chosen = best_columns(experiment, recipe, features, target, cost)
    by_fold: list[tuple[str, ...]] = []
    rankings = []
    for number, (learn, predict) in enumerate(validation := _validation(experiment, history, samples)):
        progress("train: columns of each validation fold", number, len(validation))
        rows = learn[places]
        if np.unique(target[rows]).size < 2:
            by_fold.append(())
            continue
        ranking = _rank(experiment, recipe, features[rows], target[rows], cost)
        by_fold.append(_choose(experiment, recipe, ranking, cost).columns)
        rankings.append(RankedColumns(rows, predict[places], ranking.importance, ranking.required))
    curve = () if cost is None else budget_curve(experiment, features, target, rankings, cost)
    return replace(chosen, by_fold=tuple(by_fold), curve=curve)


def _validation(
    experiment: Experiment, history: History, samples: Samples
) -> list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
    if experiment.target == "failure":
        return list(folds(experiment, samples.learned, experiment.purge))
    failed = outcome_history(experiment, history).failures["asset"]
    return list(interval_folds(experiment, samples.learned["asset"], failed))


def drop_uninformative(recipe: Recipe, features: pd.DataFrame) -> Recipe:
    """Reduce the recipe to its columns that differ between training samples; no label is looked at."""
    return recipe.reduce(_informative(features[list(recipe.output)]))


@dataclass(frozen=True)
class _Ranking:
    """Columns that differ, by how much they help on held-out assets."""

    columns: tuple[str, ...]
    required: tuple[str, ...]  # those that stay in any case
    importance: "pd.Series[float]"  # of those that may be chosen; empty where all stay
    related: tuple[str, ...]  # the ones to take where none helps

    @property
    def n_optional(self) -> int:
        """How many columns were to choose from."""
        return len(self.columns) - len(self.required)


def _rank(
    experiment: Experiment,
    recipe: Recipe,
    features: pd.DataFrame,
    target: npt.NDArray[np.float64],
    cost: ColumnCost | None,
) -> _Ranking:
    """Rank the columns that need not stay by their permutation importance."""
    columns, keep = _informative(features), experiment.features.keep
    required = _required_columns(experiment, recipe, columns)
    in_order = tuple(column for column in columns if column in required)
    optional = [column for column in columns if column not in required]
    if cost is None and keep >= len(optional):
        return _Ranking(columns, in_order, pd.Series(dtype=np.float64), ())
    if cost is not None and experiment.features.budget is not None:
        optional = affordable(optional, cost, experiment.features.budget, in_order)
    most = _CANDIDATES_PER_KEPT * keep if keep else _CANDIDATES_OF_A_BUDGET
    candidates = most_related(features[optional], target, most)
    importance = permutation_importance(experiment, features, (*candidates, *sorted(required)), target)
    related = most_related(features[list(candidates)], target, keep if cost is None else 1)
    return _Ranking(columns, in_order, importance[list(candidates)], related)


def best_columns(
    experiment: Experiment,
    recipe: Recipe,
    features: pd.DataFrame,
    target: npt.NDArray[np.float64],
    cost: ColumnCost | None = None,
) -> ColumnChoice:
    """Choose the columns that always stay and, of the others, the most important ones that help on held-out assets.

    Where ``features.budget`` is declared, `cost` says what they cost.
    """
    return _choose(experiment, recipe, _rank(experiment, recipe, features, target, cost), cost)


def _choose(experiment: Experiment, recipe: Recipe, ranking: _Ranking, cost: ColumnCost | None) -> ColumnChoice:
    if not len(ranking.importance):
        return ColumnChoice(ranking.columns)
    best, reason = _helpful(experiment, ranking, cost)
    if not best:
        reason = f"none of {ranking.n_optional:,} columns helps on assets held out"
        # The context alone would be a model that looks at no telemetry.
        if set(ranking.required) <= set(recipe.context.columns):
            best = set(ranking.related)
            reason += f", so the {len(best):,} most related to the target by rank correlation"
    if ranking.required:
        reason += f"; and {len(ranking.required):,} that always stay"
    chosen = best | set(ranking.required)
    return ColumnChoice(tuple(column for column in ranking.columns if column in chosen), reason=reason)


def _helpful(experiment: Experiment, ranking: _Ranking, cost: ColumnCost | None) -> tuple[set[str], str]:
    """Return the columns that help most, and how they were chosen."""
    keep, budget, importance = experiment.features.keep, experiment.features.budget, ranking.importance
    if cost is None or budget is None:
        best = set(importance[importance > 0].sort_values(ascending=False, kind="stable").index[:keep])
        return best, f"{len(best):,} of {ranking.n_optional:,} columns, those that help most on assets held out"
    best = set(within_budget(importance, cost, budget.total_seconds(), ranking.required, keep))
    spent = 1000 * cost.seconds([*best, *ranking.required])
    return best, (
        f"{len(best):,} of {ranking.n_optional:,} columns, those that help most on assets held out for what they cost: "
        f"{spent:.3g} of {1000 * budget.total_seconds():.3g} ms a prediction, by the table of measured calculators"
    )


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


def check_always(always: Sequence[str], recipe: Recipe) -> None:
    """Raise `UsageError` for a name in ``features.always`` that the recipe does not compute."""
    for name in always:
        if name not in recipe.feature_set.features:
            raise UsageError(
                f"features.always names {name!r}",
                "a feature of features.tsfresh",
                did_you_mean(name, recipe.feature_set.features) or "Write a list of names, each in quotes",
            )


def ranking_samples(train: pd.DataFrame, experiment: Experiment) -> npt.NDArray[np.intp]:
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
