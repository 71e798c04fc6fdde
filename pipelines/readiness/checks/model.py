"""Model development: specification, figures in service, tuning, ageing, simpler models, slices, who is left out."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd

from data_contracts.tables import tables
from models.assessment.first_champion import judge_first
from models.experiment.experiment import Experiment
from models.labels.labels import LabelState
from pipelines.readiness.proof import Proof, by_hand, holds, missing
from pipelines.readiness.verdict import verdict
from pipelines.readiness.workspace_facts import WorkspaceFacts

_GROUPS = ("plant", "line", "model")


def specification(facts: WorkspaceFacts) -> Proof:
    """Look for the experiment, the code and the promotion's reason."""
    tags = facts.champion.model.tags
    if "experiment" not in tags or "code_revision" not in tags:
        return missing("the champion keeps no experiment", "Train it with `forewarn train`")
    promoted = facts.ledger[facts.ledger["to_version"] == facts.version]
    if promoted.empty:
        return missing("the ledger has no promotion of it", "Promote it with `forewarn models promote --reason`")
    return holds(f"promoted by {promoted.iloc[-1]['actor']}; code {tags['code_revision']}")


def correlation(facts: WorkspaceFacts) -> Proof:
    """Compare the error rates in service with those of the evaluation, by the monitor's verdict."""
    look = verdict(facts)
    if look is None:
        return missing("nobody has compared error rates in service with the promised", "Run `forewarn monitor`")
    if not look.missed.of:
        return missing("no failure has matured in service yet", "Monitor it again once outcomes are known")
    words = f"failures missed in service: {look.missed}; in the evaluation: {look.promised}; {look.words}"
    if look.drifted or not look.missed.overlaps(look.promised):
        return missing(words, "See `forewarn why retraining`")
    return holds(words)


def tuning(facts: WorkspaceFacts) -> Proof:
    """Look for other settings of the estimator that were evaluated on the same samples."""
    own, remedy = facts.champion.experiment, "Train variants with `forewarn train --set`, and compare them"
    rivals = list(_rivals(facts))
    if not rivals:
        return missing("no other settings of the estimator were evaluated", remedy)
    costs = [_loss(facts.registry.metrics(name, version)) for name, version, _ in rivals]
    better = sum(cost < _loss(facts.metrics) for cost in costs)
    kinds = ", ".join(sorted({other.estimator.kind for _, _, other in rivals}))
    words = f"beside {own.estimator.kind}, evaluated on the same samples: {len(rivals)} ({kinds})"
    return missing(f"{words}, {better} of them better", remedy) if better else by_hand(f"{words}, none better", remedy)


def _rivals(facts: WorkspaceFacts) -> Iterator[tuple[str, int, Experiment]]:
    """Yield versions with another estimator, and the same samples, labels and test."""
    own, until = facts.champion.experiment, facts.registry.tags(facts.model_name, facts.judged_version)["known_until"]
    for name in facts.registry.names():
        for each in facts.registry.versions(name):
            tags = facts.registry.tags(name, each["version"])
            if "experiment" not in tags or tags.get("known_until") != until:
                continue
            other = Experiment.from_json(tags["experiment"])
            same = all(getattr(own, part) == getattr(other, part) for part in _SAME)
            if same and other.estimator != own.estimator:
                yield name, int(each["version"]), other


_SAME = ("target", "data", "label", "windows", "split", "costs")


def _loss(metrics: Mapping[str, float]) -> float:
    """Return what an evaluation is compared by: its cost, or its error."""
    named = (metrics.get(name, math.nan) for name in ("expected_cost", "rmse_capped", "rmse"))
    return next((value for value in named if not math.isnan(value)), math.inf)


def ageing(facts: WorkspaceFacts) -> Proof:
    """Compare the error of the first half of the test with that of the second, which is longer after the training."""
    remedy = "Compare rules with `forewarn backtest`: what never retraining costs"
    if facts.champion.experiment.split.kind != "time":
        return missing("its test is not later than its training, so that its error by age is not known", remedy)
    errors = _errors(facts.test_predictions)
    middle = errors.index.min() + (errors.index.max() - errors.index.min()) / 2
    early, late = errors[errors.index <= middle], errors[errors.index > middle]
    if early.empty or late.empty:
        return missing("its test is too short to tell errors by age", remedy)
    until = pd.Timestamp(facts.registry.tags(facts.model_name, facts.judged_version)["trained_until"])
    days = [(time - until) / pd.Timedelta(days=1) for time in (middle, errors.index.max())]
    return holds(
        f"mean squared error {early.mean():.3g} up to {days[0]:.0f} days after its training, "
        f"{late.mean():.3g} up to {days[1]:.0f} days"
    )


def _errors(predictions: pd.DataFrame) -> "pd.Series[float]":
    """Return the squared error of each decided sample by its cut-off."""
    if "state" in predictions:
        decided = predictions[predictions["state"].isin([LabelState.POSITIVE, LabelState.NEGATIVE])]
        truth = (decided["state"] == LabelState.POSITIVE).astype(float)
    else:
        column = "remaining_life_h" if "remaining_life_h" in predictions else "condition"
        decided = predictions[predictions[column].notna()]
        truth = decided[column]
    errors = (decided["prediction"] - truth) ** 2
    return pd.Series(errors.to_numpy(np.float64), index=pd.DatetimeIndex(decided["as_of"]))


def simpler(facts: WorkspaceFacts) -> Proof:
    """Compare the champion with doing without it and, where one was trained, with a linear model."""
    judged = judge_first(facts.metrics)
    if not judged.accepted:
        return missing(judged.reason, "Train another, or add what it lacks")
    linear = [(name, version) for name, version, other in _rivals(facts) if other.estimator.kind in _LINEAR]
    for name, version in linear:
        if _loss(facts.registry.metrics(name, version)) < _loss(facts.metrics):
            return missing(f"{name} version {version} is simpler and better", "Promote the simpler one")
    return holds(judged.reason.partition(", and ")[2].rstrip(".") + ("; a linear model is no better" if linear else ""))


_LINEAR = ("logistic", "ridge", "linear")


def slices(facts: WorkspaceFacts) -> Proof:
    """Look for error rates of single plants, lines and models of machines."""
    reference = facts.champion.model.reference
    kinds = Counter(each.by for each in (() if reference is None else reference.strata))
    plants = {name.split("/")[1] for name in facts.metrics if name.startswith("plants/")}
    if not kinds and not plants:
        return missing("its evaluation tells no groups of machines apart", "Give assets a plant, line or model")
    counted = [f"{count} by {by}" for by, count in kinds.items()] or [f"{len(plants)} by plant"]
    return holds(f"promised and monitored in groups: {', '.join(counted)}")


def inclusion(facts: WorkspaceFacts) -> Proof:
    """Look for groups of machines of which the test had no sample."""
    assets = tables.read(facts.workspace, "assets", as_of=facts.now)
    own = assets[assets["asset_type"] == facts.artifact.recipe.asset_type].drop_duplicates("asset", keep="last")
    tested = set(facts.test_predictions["asset"])
    kinds = [column for column in _GROUPS if column in own and own[column].notna().any()]
    groups = [(kind, name, set(of["asset"])) for kind in kinds for name, of in own.groupby(kind)]
    if not groups:
        return missing("nothing is known about which machines are alike", "Give assets a plant, line or model")
    left_out = [f"{kind} {name}" for kind, name, members in groups if not members & tested]
    if left_out:
        return missing(f"no sample of the test was of {', '.join(left_out[:5])}", "Train on a split that has them")
    return holds(f"each of {len(groups)} groups by {', '.join(kinds)} was in the test; people are no input")


CHECKS: Mapping[str, Callable[[WorkspaceFacts], Proof]] = {
    "specification": specification,
    "correlation": correlation,
    "tuning": tuning,
    "ageing": ageing,
    "simpler": simpler,
    "slices": slices,
    "inclusion": inclusion,
}
