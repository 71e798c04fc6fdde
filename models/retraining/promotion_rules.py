"""The checks a challenger has to pass before it may replace the champion, each with a sentence on its result."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from data_contracts.configuration.values import configuration
from data_contracts.tables.corrections import latest_records
from features.setting_types import InnerShare, Integer, Number, OrWord, PositiveCount, Share
from models.assessment.reliability import CalibrationSlope, calibration_slope, reliability_bins
from models.experiment.plans import CostPlan
from models.outcomes.error_rates import Rate
from models.retraining.paired_costs import cost_difference, extra_cost, missed_difference, observed_to_expected
from models.retraining.sign_flips import sign_flips

FEWEST_EVENTS = 5
"""With fewer events nothing is compared: a model that never alerts is the cheapest where nothing happens."""


@configuration
class PromotionRules:
    """What a challenger has to show."""

    confidence: Annotated[Number, Field(ge=0.5, le=0.9999)] = 0.9
    """How sure it must at least be that the challenger is cheaper, so that 1 less this is the largest alpha of a
    comparison; and how sure that it does not miss more than the margin allows."""
    missed_margin: Share = 0.1
    """How much larger the share of events may be that the challenger misses."""
    min_events: Annotated[PositiveCount | None, OrWord("auto")] = None
    """With fewer events to compare on, nothing is trained and the champion stays. "auto" takes as many as a quarter of
    the wished power needs, while waiting adds to it, and at least 5; a number is used whatever the power."""
    slice_events: PositiveCount = 10
    """Plants and asset models with fewer events are not compared by themselves. With 1 / missed_margin or more, one
    missed event alone rejects no challenger."""
    calibration_tolerance: Annotated[Number, Field(ge=1, le=1000)] = 2.0
    """The factor by which observed and predicted failures, and the slope of calibration from 1, may differ with that
    confidence."""
    draws: Annotated[Integer, Field(ge=100)] = 4000
    """Draws of the bootstrap."""
    seed: Integer = 0
    """Seed of the bootstrap."""
    false_per_year: Annotated[Number, Field(ge=0.01, le=1000)] = 1.0
    """How often in a year, on average, the champion may be replaced by one that is no better. Alpha accrues at this
    rate, and comparisons spend it."""
    power: InnerShare = 0.8
    """The wished probability that a challenger that is better by the difference below is found to be cheaper."""
    difference: InnerShare = 0.15
    """How much smaller a share of the events that challenger misses."""

    @property
    def largest_alpha(self) -> float:
        """The largest probability with which a comparison may promote a challenger that is no better."""
        return 1 - self.confidence

    @property
    def fewest_events(self) -> int:
        """The number of events below which nothing is compared, whatever the power."""
        return FEWEST_EVENTS if self.min_events is None else self.min_events


BY_CHANCE = 0.05
"""As `models.assessment.first_champion` judges a detector."""
DEFAULT_RULES = PromotionRules()
_NO_SLOPE = CalibrationSlope(math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Check:
    """The result of one check of the challenger."""

    name: str  # "events", "cheaper", "misses", "slices", "calibration", "slope", "policies" or "declared rate"
    passed: bool | None  # None where it could not be judged, which does not count against the challenger
    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)  # what the result rests on, JSON values


def cheaper(
    errors: pd.DataFrame, drawn: pd.DataFrame, costs: CostPlan, rules: PromotionRules, *, alpha: float | None = None
) -> Check:
    """Check that the challenger is cheaper, by the test of `sign_flips` at `alpha`, the largest if None.

    The interval and the probability among the figures are of the bootstrap of `paired_costs`; they decide nothing.
    """
    alpha = rules.largest_alpha if alpha is None else alpha
    extra = cost_difference(errors, drawn, costs, rules.confidence)
    test = sign_flips(extra_cost(errors, costs), alpha=alpha, draws=rules.draws, seed=rules.seed)
    amount = f"{money(abs(extra.value))} {'less' if extra.value <= 0 else 'more'}"
    sentence = (
        f"The challenger is {'cheaper' if extra.value < 0 else 'not cheaper'}: it costs {amount}. One that is no "
        f"better would look as good with a probability of {percent(test.p_value)} (allowed: {percent(alpha)})."
    )
    spent = {"p_value": test.p_value, "alpha": alpha, "alpha_spent": test.size}
    figures = {**vars(extra), "confidence": rules.confidence, **spent}
    return Check("cheaper", extra.value < 0 and test.rejects(alpha), sentence, figures)


def misses_not_inferior(errors: pd.DataFrame, drawn: pd.DataFrame, rules: PromotionRules) -> Check:
    """Check that the challenger does not miss more than the margin allows; not judged without an event."""
    extra = missed_difference(errors, drawn, rules.confidence)
    figures = {"difference": extra.value, "high": extra.high, "margin": rules.missed_margin}
    if math.isnan(extra.high):
        return Check("misses", None, "There are no events, so shares of missed ones cannot be compared.", figures)
    passed = extra.high <= rules.missed_margin + 1e-12
    sentence = (
        f"Its share of missed events is {_points(extra.value)} the champion's, with {rules.confidence:.0%} confidence "
        f"{'at least' if extra.high < 0 else 'at most'} {_points(extra.high)} it: "
        f"{'within' if passed else 'beyond'} the margin of {100 * rules.missed_margin:g} points above."
    )
    return Check("misses", passed, sentence, figures)


def no_slice_worse(errors: pd.DataFrame, assets: pd.DataFrame, rules: PromotionRules) -> Check:
    """Check that in no plant or asset model does the challenger miss more than the margin allows.

    `errors` is indexed by asset; of `assets`, the asset records, the latest of each asset counts. Not judged when no
    slice has enough events.
    """
    latest = latest_records(assets).set_index("asset")
    figures: dict[str, dict[str, Any]] = {}
    for kind in ("plant", "model"):
        parts = latest[kind].reindex(errors.index)
        if len(parts.dropna().unique()) > 1:
            for value, own in errors.groupby(parts, sort=True):
                figures[f"{kind} {value}"] = _slice(own, rules)
    worse = [name for name, values in figures.items() if values["worse"]]
    too_small = [name for name, values in figures.items() if not values["judged"]]
    compared = len(figures) - len(too_small)
    few = f"with fewer than {rules.slice_events} events: {_list(too_small)}."
    if worse:
        sentence = f"It misses more than the margin allows beyond the champion in {_list(worse)}."
    elif compared:
        sentence = f"In none of {compared} plants and asset models does it miss more than the margin allows."
    else:
        sentence = "No plant or asset model is judged apart" + (f", {few}" if too_small else ": all assets are alike.")
    if compared and too_small:
        sentence += f" Not judged, {few}"
    return Check("slices", not worse if compared else None, sentence, figures)


def calibrated(errors: pd.DataFrame, drawn: pd.DataFrame, rules: PromotionRules) -> Check:
    """Check that the challenger's probabilities add up to about as many failures as happened.

    It fails when the whole interval of observed to expected lies beyond the tolerance; not judged without
    probabilities.
    """
    ratio = observed_to_expected(errors, drawn, rules.confidence)
    tolerance = rules.calibration_tolerance
    figures = {"observed_to_expected": ratio.value, "low": ratio.low, "high": ratio.high, "tolerance": tolerance}
    if math.isnan(ratio.value):
        return Check("calibration", None, "There are no probabilities, so calibration cannot be checked.", figures)
    passed = ratio.low <= tolerance and ratio.high >= 1 / tolerance
    verdict = "within" if passed else "beyond"
    sentence = (
        f"{ratio.value:.2f} times as many decisions came true as its probabilities predict "
        f"({rules.confidence:.0%} interval {ratio.low:.2f} to {ratio.high:.2f}): {verdict} a factor of {tolerance:g}."
    )
    return Check("calibration", passed, sentence, figures)


def calibrated_throughout(settled: pd.DataFrame, rules: PromotionRules) -> Check:
    """Check that the challenger's probabilities are neither too extreme nor too cautious, by the calibration slope.

    It fails when the whole interval of the slope lies beyond the tolerance; not judged where the slope is not finite.
    `settled` has columns asset, probability, came_true. The figures hold the reliability curve, which decides nothing.
    """
    truth, probability = settled["came_true"].to_numpy(dtype=bool), settled["probability"].to_numpy(dtype=float)
    tolerance = rules.calibration_tolerance
    slope = calibration_slope(settled["asset"], truth, probability, rules.confidence) if len(settled) else _NO_SLOPE
    figures = {
        "slope": slope.slope,
        "low": slope.slope_low,
        "high": slope.slope_high,
        "tolerance": tolerance,
        "curve": [each.to_dict() for each in reliability_bins(truth, probability)],
    }
    if math.isnan(slope.slope_low):
        return Check("slope", None, "Too little came true to say whether probabilities are too extreme.", figures)
    passed = slope.slope_low <= tolerance and slope.slope_high >= 1 / tolerance
    sentence = (
        f"The slope of its calibration is {slope.slope:.2f} ({rules.confidence:.0%} interval {slope.slope_low:.2f} to "
        f"{slope.slope_high:.2f}; below 1 probabilities are too extreme, above it too cautious): "
        f"{'within' if passed else 'beyond'} a factor of {tolerance:g}."
    )
    return Check("slope", passed, sentence, figures)


def better_than_policies(cost: float, policies: Mapping[str, float]) -> Check:
    """Check that the challenger costs less than every policy without a model; `policies` maps names to costs."""
    named = ", ".join(f"{name} {money(other)}" for name, other in policies.items())
    passed = all(cost < other for other in policies.values())
    verdict = "is better than" if passed else "is not better than all of"
    sentence = f"At a cost of {money(cost)} it {verdict} doing without a model: {named}."
    return Check("policies", passed, sentence, {"challenger": cost, **policies})


def keeps_declared_rate(false_episodes: Rate, declared: float) -> Check:
    """Check that a detector raises no more false alarms than it declares, unless chance may explain them.

    As of its first champion: what a detector is for cannot be weighed by costs where nothing fails.
    """
    from scipy.stats import poisson  # whoever reads settings imports this module, and most need no more

    months, alarms = float(false_episodes.of), false_episodes.count
    by_chance = float(poisson.sf(alarms - 1, declared * months)) if alarms else 1.0
    passed = by_chance >= BY_CHANCE
    sentence = (
        f"It raised {alarms} false alarms in {months:.3g} asset-months, and declares {declared:g} a month: "
        f"{'as declared' if passed else 'more than declared'} (as many come by chance with a probability of "
        f"{percent(by_chance)})."
    )
    figures = {"false_alarms": alarms, "asset_months": months, "declared": declared, "by_chance": by_chance}
    return Check("declared rate", passed, sentence, figures)


def money(cost: float) -> str:
    """Format a cost for a sentence.

    Examples
    --------
    >>> money(2025000.0), money(11.5)
    ('2,025,000', '11.5')
    """
    return f"{cost:,.0f}" if abs(cost) >= 1000 else f"{cost:g}"


def percent(probability: float) -> str:
    """Format a probability for a sentence.

    Examples
    --------
    >>> percent(0.0384), percent(0.5), percent(0.0004), percent(0.9995)
    ('3.8%', '50%', 'less than 0.1%', 'more than 99%')
    """
    if probability > 0.99:
        return "more than 99%"
    return "less than 0.1%" if probability < 0.001 else f"{100 * probability:.2g}%"


def _slice(own: pd.DataFrame, rules: PromotionRules) -> dict[str, Any]:
    events = int(own["events"].sum())
    missed = {name: int(own[f"{name}_missed"].sum()) for name in ("champion", "challenger")}
    judged = events >= rules.slice_events
    extra = missed["challenger"] - missed["champion"]
    worse = judged and extra > rules.missed_margin * events + 1e-9
    return {"events": events, **{f"{name}_missed": n for name, n in missed.items()}, "judged": judged, "worse": worse}


def _points(share: float) -> str:
    return f"{abs(100 * share):.0f} points {'below' if share < 0 else 'above'}"


def _list(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
