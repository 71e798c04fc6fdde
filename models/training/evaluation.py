"""Evaluation of a model on its test samples: statistical metrics, and what a plant cares about."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.history import History
from models.assessment.asset_intervals import rmse_interval
from models.assessment.decision_metrics import decision_metrics, interval_metrics
from models.assessment.error_metrics import mae_metrics, nasa_score, rmse
from models.assessment.prognostics import prognostic_figures
from models.assessment.ranking import ranking_metrics
from models.experiment.plans import CostPlan
from models.failure_modes.mode_figures import ModeFigures
from models.labels.labels import LabelState
from models.labels.observation_gaps import unobserved_spans
from models.outcomes.error_rates import MONTH, ErrorRates, error_rates
from models.outcomes.outcomes import Terms, known_failures, outcomes
from models.outcomes.stratum_counts import evaluated_strata
from models.outcomes.weekly_counts import weekly_counts
from models.training.policies import best_interval, calendar_cost

Vector = npt.NDArray[np.float64]
_LEAD_TIME_QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Evaluation:
    """Hold the evaluation of a model on its test samples.

    Parameters
    ----------
    metrics
        Values by name; NaN where there was nothing to count.
    reference
        The error rates on the test period with their counts, which monitoring later compares with. None for a model
        that raises no alerts.
    predictions
        The test samples: ``asset``, ``as_of``, ``prediction`` (probability, hours, or a condition's value), ``alert``,
        and ``state``, ``remaining_life_h`` or ``condition`` (the true one).
    lead_times_h
        Hours between the first timely alert and the failure, shape (n_caught,).
    period
        (start, end] of the decisions whose alarms, and failures to announce, count; None where none do.
    modes
        The figures of each failure mode; None where modes are not predicted.
    """

    metrics: Mapping[str, float]
    reference: ErrorRates | None
    predictions: pd.DataFrame
    lead_times_h: Vector = field(default_factory=lambda: np.empty(0))
    period: tuple[pd.Timestamp, pd.Timestamp] | None = None
    modes: ModeFigures | None = None


def evaluate_failures(
    predictions: pd.DataFrame,
    history: History,
    *,
    terms: Terms,
    costs: CostPlan,
    known_until: pd.Timestamp,
    trained_on: pd.DataFrame,
) -> Evaluation:
    """Evaluate predicted failure probabilities on the test samples.

    Alarms, failures, their costs and those of doing without a model all belong to one period of decisions, whose
    claims have matured: the alarms they raised, and the failures that only they had to announce. The reference rates
    begin later in it, once alarms have settled (`Terms.settling`), and count failures by their own time. The best fixed
    inspection interval, to compare costs with, is chosen on the training cut-offs.
    """
    decided = predictions[predictions["state"].isin([LabelState.POSITIVE, LabelState.NEGATIVE])]
    truth = (decided["state"] == LabelState.POSITIVE).to_numpy()
    probability = decided["prediction"].to_numpy()
    metrics = decision_metrics(truth, probability, decided["alert"].to_numpy())
    if predictions.empty:
        return Evaluation(metrics, None, predictions)
    metrics |= ranking_metrics(decided["asset"], truth, probability)
    metrics |= interval_metrics(decided["asset"], truth, probability, decided["alert"].to_numpy())
    known = history.as_of(known_until)
    gaps = unobserved_spans(known, now=known_until)
    matured = outcomes(
        predictions, known.failures, known.work_orders, now=known_until, terms=terms, observation_gaps=gaps
    )
    rates = error_rates(matured)
    failures = failures_to_announce(predictions, known, terms, known_until)
    plant, leads = _plant_figures(predictions, failures, rates, terms, costs)
    happened = known_failures(known.failures, known_until, terms.breakdown)
    missed, false = costs.missed_failure, costs.false_alarm
    fixed = best_interval(trained_on, happened, terms=terms, missed_failure=missed, false_alarm=false)
    cost = partial(
        calendar_cost,
        predictions,
        failures,
        terms=terms,
        missed_failure=missed,
        false_alarm=false,
        observation_gaps=gaps,
        known_until=known_until,
    )
    intervals = {"never": None, "always": terms.horizon, "fixed_interval": fixed}
    baseline = {f"expected_cost_{name}": cost(interval=interval).cost for name, interval in intervals.items()}
    baseline["fixed_interval_days"] = fixed / pd.Timedelta(days=1)
    settled = min(predictions["as_of"].min() + terms.settling, matured.matured_until)
    reference = replace(
        error_rates(matured, start=settled),
        weeks=weekly_counts(matured, settled, MONTH),
        strata=evaluated_strata(matured, settled, known.assets, MONTH),
    )
    return Evaluation(metrics | plant | baseline, reference, predictions, leads, (rates.start, rates.end))


def evaluate_remaining_life(
    predictions: pd.DataFrame, *, cap: pd.Timedelta | None, score_at: str, training_mean: float = np.nan
) -> Evaluation:
    """Evaluate predicted hours of remaining life against the true ones, with and without the cap.

    The mean of the training targets, predicted for all, is what a model has to beat (``rmse_mean``). `score_at` selects
    the last cut-off of each asset (``"last"``) or every one (``"all"``).
    """
    scored = predictions[predictions["remaining_life_h"].notna()].sort_values(["asset", "as_of"])
    if score_at == "last":
        scored = scored.drop_duplicates("asset", keep="last")
    predicted, true = scored["prediction"].to_numpy(), scored["remaining_life_h"].to_numpy()
    limit = np.inf if cap is None else cap / pd.Timedelta(hours=1)
    low, high = rmse_interval(scored["asset"], predicted, np.minimum(true, limit))
    metrics = {
        "rmse_capped": rmse(predicted, np.minimum(true, limit)),
        "rmse_capped_low": low,
        "rmse_capped_high": high,
        "rmse_uncapped": rmse(predicted, true),
        "nasa_score_capped": nasa_score(predicted, np.minimum(true, limit)),
        "nasa_score_uncapped": nasa_score(predicted, true),
        "samples_scored": float(len(scored)),
        "rmse_mean": rmse(np.full(len(true), training_mean), np.minimum(true, limit)),
        **mae_metrics("mae_capped", scored["asset"], predicted, np.minimum(true, limit)),
        **prognostic_figures(predictions),
    }
    return Evaluation(metrics, None, predictions)


def evaluate_condition(predictions: pd.DataFrame, *, score_at: str, training_mean: float) -> Evaluation:
    """Evaluate predicted values of a condition against the measured ones, in the condition's unit.

    ``rmse`` with its interval, ``mae``, ``rmse_mean`` (the mean of the training targets, predicted for all), and
    ``r2``; `score_at` as for `evaluate_remaining_life`.
    """
    scored = predictions[predictions["condition"].notna()].sort_values(["asset", "as_of"])
    if score_at == "last":
        scored = scored.drop_duplicates("asset", keep="last")
    predicted, true = scored["prediction"].to_numpy(), scored["condition"].to_numpy()
    low, high = rmse_interval(scored["asset"], predicted, true)
    variance = float(true.var()) if len(true) else float("nan")
    metrics = {
        "rmse": rmse(predicted, true),
        "rmse_low": low,
        "rmse_high": high,
        **mae_metrics("mae", scored["asset"], predicted, true),
        "rmse_mean": rmse(np.full(len(true), training_mean), true),
        "r2": 1.0 - float(((predicted - true) ** 2).mean()) / variance if variance else float("nan"),
        "samples_scored": float(len(scored)),
    }
    return Evaluation(metrics, None, predictions)


def lead_times(predictions: pd.DataFrame, failures: pd.DataFrame, terms: Terms) -> Vector:
    """Measure how many hours before each failure its first timely alert came; failures without one are left out."""
    hours = hours_of_warning(predictions, failures, terms)
    return hours[~np.isnan(hours)]


def hours_of_warning(predictions: pd.DataFrame, failures: pd.DataFrame, terms: Terms) -> Vector:
    """Measure how many hours before each failure its first timely alert came; NaN for one without.

    An alert is timely with its cut-off in [failure - lead - horizon, failure - lead).
    """
    alerts = predictions[predictions["alert"].astype(bool)].sort_values("as_of")
    times = {asset: own.reset_index(drop=True) for asset, own in alerts.groupby("asset")["as_of"]}
    hours = np.full(len(failures), np.nan)
    for number, (asset, event) in enumerate(failures[["asset", "event_time"]].itertuples(index=False)):
        own = times.get(asset)
        first = 0 if own is None else int(own.searchsorted(event - terms.claim))
        if own is not None and first < len(own) and own[first] < event - terms.lead:
            hours[number] = (event - own[first]) / pd.Timedelta(hours=1)
    return hours


def _plant_figures(
    predictions: pd.DataFrame, failures: pd.DataFrame, rates: ErrorRates, terms: Terms, costs: CostPlan
) -> tuple[dict[str, float], Vector]:
    states = failures["state"].value_counts()
    missed, caught = int(states.get("missed", 0)), int(states.get("caught", 0) + states.get("prevented", 0))
    leads = lead_times(predictions, failures[failures["state"] == "caught"], terms)
    false = rates.false_episodes
    figures = {
        "failures_caught": float(caught),
        "failures_total": float(caught + missed),
        "failures_uncovered": float(states.get("uncovered", 0)),
        "false_alarms": float(false.count),
        "false_alarms_per_asset_month": false.value,
        "asset_months": false.of,
        "expected_cost": missed * costs.missed_failure + false.count * costs.false_alarm,
    }
    quantiles = np.quantile(leads, _LEAD_TIME_QUANTILES) if len(leads) else [np.nan] * len(_LEAD_TIME_QUANTILES)
    named = {f"lead_time_h_p{round(q * 100)}": float(v) for q, v in zip(_LEAD_TIME_QUANTILES, quantiles, strict=True)}
    return figures | named, leads


def failures_to_announce(
    predictions: pd.DataFrame, known: History, terms: Terms, known_until: pd.Timestamp
) -> pd.DataFrame:
    """Return the failures whose whole time to be announced lies within the test, with their final states.

    As many hours of them count as of alarms: the period of the alarms, later by what an alarm claims. All alerts before
    a failure are known when it is, so its state is final although the decisions just before it have not matured.
    """
    failures = outcomes(
        predictions, known.failures, known.work_orders, now=known_until + terms.maturity, terms=terms
    ).failures
    first, last = predictions["as_of"].min(), min(predictions["as_of"].max(), known_until - terms.maturity)
    inside = (failures["event_time"] > first + terms.claim) & (failures["event_time"] <= last + terms.claim)
    within: pd.DataFrame = failures.loc[inside]
    return within
