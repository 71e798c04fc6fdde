"""What a challenger has to show before it may replace the champion, check by check, each in a sentence."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from data_contracts.configuration.values import configuration
from features.setting_types import Integer, Number, PositiveCount, Share
from models.experiment.experiment import CostPlan
from models.retraining.paired_costs import cost_difference, missed_difference, observed_to_expected


@configuration
class PromotionRules:
    """What a challenger has to show."""

    confidence: Annotated[Number, Field(ge=0.5, le=0.9999)] = 0.9
    """How sure it must be that the challenger is cheaper, and that it does not miss more than the margin allows."""
    missed_margin: Share = 0.1
    """How much larger the share of events may be that the challenger misses."""
    min_events: PositiveCount = 5
    """With fewer events to compare on, nothing is trained and the champion stays: a model that never alerts is the
    cheapest where nothing happens."""
    slice_events: PositiveCount = 10
    """Plants and asset models with fewer events are not compared by themselves. With 1 / missed_margin or more, one
    missed event alone rejects no challenger."""
    calibration_tolerance: Annotated[Number, Field(ge=1, le=1000)] = 2.0
    """The factor by which observed and predicted failures may differ with that confidence."""
    draws: Annotated[Integer, Field(ge=100)] = 4000
    """Draws of the bootstrap."""
    seed: Integer = 0
    """Seed of the bootstrap."""


USUAL = PromotionRules()
"""The rules where nobody has said otherwise."""


@dataclass(frozen=True)
class Check:
    """One thing that was asked of the challenger.

    Parameters
    ----------
    name : str
        "events", "cheaper", "misses", "slices", "calibration" or "policies".
    passed : bool or None
        None where it could not be judged; that holds nobody back.
    sentence : str
        The answer in plain words.
    figures : mapping
        What it rests on, JSON values.
    """

    name: str
    passed: bool | None
    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)


def enough_events(events: int, rules: PromotionRules) -> Check:
    """Ask for enough events to judge by."""
    passed = events >= rules.min_events
    told = "enough to compare on" if passed else f"fewer than {rules.min_events}, too few to replace a champion"
    figures = {"events": events, "min_events": rules.min_events}
    return Check("events", passed, f"{_events(events)} in the period: {told}.", figures)


def cheaper(errors: pd.DataFrame, drawn: pd.DataFrame, costs: CostPlan, rules: PromotionRules) -> Check:
    """Ask that the challenger be cheaper, and how sure that is.

    Parameters
    ----------
    errors, drawn : pd.DataFrame
        Of `models.retraining.paired_costs`.
    costs : CostPlan
        Of a missed failure and of a false alarm.
    rules : PromotionRules
        The confidence.

    Returns
    -------
    Check
        Figures difference, low, high, probability_cheaper, confidence.
    """
    found = cost_difference(errors, drawn, costs, rules.confidence)
    passed = found.value < 0 and found.probability_cheaper >= rules.confidence
    how = "is cheaper" if found.value < 0 else "is not cheaper"
    apart = f"{money(abs(found.value))} {'less' if found.value <= 0 else 'more'}"
    sentence = (
        f"The challenger {how}: it costs {apart}, and is the cheaper one with a probability of "
        f"{_sure(found.probability_cheaper)} (asked: {rules.confidence:.0%})."
    )
    return Check("cheaper", passed, sentence, {**vars(found), "confidence": rules.confidence})


def misses_not_inferior(errors: pd.DataFrame, drawn: pd.DataFrame, rules: PromotionRules) -> Check:
    """Ask that the challenger not miss more than the margin allows.

    Parameters
    ----------
    errors, drawn : pd.DataFrame
        Of `models.retraining.paired_costs`.
    rules : PromotionRules
        Margin and confidence.

    Returns
    -------
    Check
        Figures difference, high (the upper bound), margin; not judged without an event.
    """
    found = missed_difference(errors, drawn, rules.confidence)
    figures = {"difference": found.value, "high": found.high, "margin": rules.missed_margin}
    if math.isnan(found.high):
        return Check("misses", None, "Without an event nothing can be said of missed ones.", figures)
    passed = found.high <= rules.missed_margin + 1e-12
    sentence = (
        f"Its share of missed events is {_points(found.value)} the champion's, with {rules.confidence:.0%} confidence "
        f"{'at least' if found.high < 0 else 'at most'} {_points(found.high)} it: "
        f"{'within' if passed else 'beyond'} the margin of {100 * rules.missed_margin:g} points above."
    )
    return Check("misses", passed, sentence, figures)


def no_slice_worse(errors: pd.DataFrame, assets: pd.DataFrame, rules: PromotionRules) -> Check:
    """Ask that the challenger not miss more than the margin allows in any plant or asset model.

    Parameters
    ----------
    errors : pd.DataFrame
        Of `models.retraining.paired_costs`, indexed by asset.
    assets : pd.DataFrame
        Asset records: asset, event_time, known_time, plant, model; the latest of each asset counts.
    rules : PromotionRules
        Margin, and how many events a slice must have.

    Returns
    -------
    Check
        Figures hold, for each slice, events, both models' misses and whether it is judged. Not judged when no slice has
        events enough.
    """
    latest = assets.sort_values(["event_time", "known_time"]).drop_duplicates("asset", keep="last").set_index("asset")
    figures: dict[str, dict[str, Any]] = {}
    for kind in ("plant", "model"):
        parts = latest[kind].reindex(errors.index)
        if len(parts.dropna().unique()) > 1:
            for value, own in errors.groupby(parts, sort=True):
                figures[f"{kind} {value}"] = _slice(own, rules)
    worse = [name for name, found in figures.items() if found["worse"]]
    unjudged = [name for name, found in figures.items() if not found["judged"]]
    judged = len(figures) - len(unjudged)
    few = f"with fewer than {rules.slice_events} events: {_some(unjudged)}."
    if worse:
        told = f"It misses more than the margin allows beyond the champion in {_some(worse)}."
    elif judged:
        told = f"In none of {judged} plants and asset models it misses more than the margin allows."
    else:
        told = "No plant or asset model is judged apart" + (f", {few}" if unjudged else ": all assets are alike.")
    left = f" Not judged, {few}" if judged and unjudged else ""
    return Check("slices", not worse if judged else None, told + left, figures)


def calibrated(errors: pd.DataFrame, drawn: pd.DataFrame, rules: PromotionRules) -> Check:
    """Ask that the challenger's probabilities add up to about as many failures as happened.

    Parameters
    ----------
    errors, drawn : pd.DataFrame
        Of `models.retraining.paired_costs`.
    rules : PromotionRules
        Tolerance and confidence. It is refused when the whole interval lies beyond the tolerance.

    Returns
    -------
    Check
        Figures observed_to_expected, low, high, tolerance; not judged without probabilities.
    """
    found = observed_to_expected(errors, drawn, rules.confidence)
    tolerance = rules.calibration_tolerance
    figures = {"observed_to_expected": found.value, "low": found.low, "high": found.high, "tolerance": tolerance}
    if math.isnan(found.value):
        return Check("calibration", None, "There are no probabilities whose calibration could be judged.", figures)
    passed = found.low <= tolerance and found.high >= 1 / tolerance
    verdict = "within" if passed else "beyond"
    sentence = (
        f"Of what its probabilities foretell {found.value:.2f} times as much came true "
        f"({rules.confidence:.0%} interval {found.low:.2f} to {found.high:.2f}): {verdict} a factor of {tolerance:g}."
    )
    return Check("calibration", passed, sentence, figures)


def better_than_policies(cost: float, policies: Mapping[str, float]) -> Check:
    """Ask that the challenger cost less than any way to do without a model.

    Parameters
    ----------
    cost : float
        The challenger's.
    policies : mapping of str to float
        What each policy would have cost, by its name in words.

    Returns
    -------
    Check
        Figures are the costs.
    """
    named = ", ".join(f"{name} {money(other)}" for name, other in policies.items())
    passed = all(cost < other for other in policies.values())
    verdict = "is better than" if passed else "is not better than all of"
    sentence = f"At a cost of {money(cost)} it {verdict} doing without a model: {named}."
    return Check("policies", passed, sentence, {"challenger": cost, **policies})


def money(cost: float) -> str:
    """Write a cost as a person would.

    Examples
    --------
    >>> money(2025000.0), money(11.5)
    ('2,025,000', '11.5')
    """
    return f"{cost:,.0f}" if abs(cost) >= 1000 else f"{cost:g}"


def _sure(probability: float) -> str:
    return "more than 99%" if probability > 0.99 else f"{probability:.0%}"


def _slice(own: pd.DataFrame, rules: PromotionRules) -> dict[str, Any]:
    events = int(own["events"].sum())
    missed = {name: int(own[f"{name}_missed"].sum()) for name in ("champion", "challenger")}
    judged = events >= rules.slice_events
    extra = missed["challenger"] - missed["champion"]
    worse = judged and extra > rules.missed_margin * events + 1e-9
    return {"events": events, **{f"{name}_missed": n for name, n in missed.items()}, "judged": judged, "worse": worse}


def _events(number: int) -> str:
    return f"{number} event{'' if number == 1 else 's'}"


def _points(share: float) -> str:
    return f"{abs(100 * share):.0f} points {'below' if share < 0 else 'above'}"


def _some(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
