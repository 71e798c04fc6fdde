"""The metrics of an evaluation as a short table."""

import math
from collections.abc import Iterator, Mapping

import pandas as pd
from rich.table import Table

from features.clock import TIME, Clock


def metrics_table(metrics: Mapping[str, float], unit: str | None = None, clock: Clock = TIME) -> Table:
    """Return metrics, named as in `models.training.evaluation`, as a table; missing ones and NaN are shown as "-".

    `unit` is that of a condition's value; durations are written as the clock does.
    """
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _rows(metrics, unit, clock):
        table.add_row(name, text)
    return table


def _rows(metrics: Mapping[str, float], unit: str | None, clock: Clock) -> Iterator[tuple[str, str]]:
    if "rmse_capped" in metrics:
        return _remaining_life_rows(metrics, clock)
    return _condition_rows(metrics, unit) if "rmse" in metrics else _failure_rows(metrics, clock)


def format_metric(metrics: Mapping[str, float], name: str, form: str) -> str:
    """Format one metric, "-" if it is missing or NaN; `form` is a format specification."""
    value = metrics.get(name, math.nan)
    return "-" if math.isnan(value) else format(value, form)


def pluralize(noun: str, count: int) -> str:
    """Return a noun in singular or plural.

    Examples
    --------
    >>> pluralize("row", 1), pluralize("row", 2)
    ('row', 'rows')
    """
    return noun if count == 1 else f"{noun}s"


def _condition_rows(m: Mapping[str, float], unit: str | None) -> Iterator[tuple[str, str]]:
    of = f" {unit}" if unit else ""
    yield "RMSE", f"{format_metric(m, 'rmse', '.4g')}{of}{_interval(m, 'rmse', '.4g')}"
    yield "  of the mean", f"{format_metric(m, 'rmse_mean', '.4g')}{of}"
    yield "mean absolute error", f"{format_metric(m, 'mae', '.4g')}{of}{_interval(m, 'mae', '.4g')}"
    yield "R squared", format_metric(m, "r2", ".3f")
    yield "samples scored", format_metric(m, "samples_scored", ",.0f")
    yield from _interval_rows(m, of, ".4g")


def _interval_rows(m: Mapping[str, float], unit: str, form: str) -> Iterator[tuple[str, str]]:
    """Rows on the intervals around predicted numbers, whose widths are in the unit of the numbers."""
    if "interval_level" not in m:
        return
    name, width = f"{m['interval_level']:.0%} intervals", format_metric(m, "interval_width", form)
    covered = f"hold {format_metric(m, 'interval_coverage', '.1%')}{_interval(m, 'interval_coverage', '.1%')} by asset"
    yield name, f"{covered}, {width}{unit} wide"
    if "interval_coverage_over_life" in m:
        width = format_metric(m, "interval_width_over_life", form)
        yield "  over life", f"{format_metric(m, 'interval_coverage_over_life', '.1%')}, {width}{unit} wide"
    width = format_metric(m, "interval_width_constant", form)
    yield "  of constant width", f"{format_metric(m, 'interval_coverage_constant', '.1%')}, {width}{unit} wide"


def _remaining_life_rows(metrics: Mapping[str, float], clock: Clock) -> Iterator[tuple[str, str]]:
    unit = clock.unit(metrics.get(name, math.nan) for name in ("rmse_capped", "rmse_uncapped", "rmse_mean"))
    in_hours = ("rmse", "mae", "interval_width", "prognostic_horizon")
    hours = {name: value for name, value in metrics.items() if name.startswith(in_hours)}
    m = {**metrics, **{name: value / unit.hours for name, value in hours.items()}}
    capped, uncapped = format_metric(m, "rmse_capped", ".2f"), format_metric(m, "rmse_uncapped", ".2f")
    yield "RMSE", f"{capped} capped{_interval(m, 'rmse_capped', '.2f')}, {uncapped} not capped ({unit.plural})"
    yield "  of the mean", f"{format_metric(m, 'rmse_mean', '.2f')} capped"
    capped, uncapped = format_metric(m, "nasa_score_capped", ",.0f"), format_metric(m, "nasa_score_uncapped", ",.0f")
    yield "NASA score", f"{capped} capped, {uncapped} not"
    yield "samples scored", format_metric(m, "samples_scored", ",.0f")
    if "mae_capped" in m:
        yield (
            "mean absolute error",
            f"{format_metric(m, 'mae_capped', '.2f')} capped{_interval(m, 'mae_capped', '.2f')}",
        )
    if m.get("lives"):
        yield from _prognostic_rows(m, unit.plural)
    yield from _interval_rows(m, f" {unit.plural}", ".1f")


def _prognostic_rows(m: Mapping[str, float], units: str) -> Iterator[tuple[str, str]]:
    shares = ", ".join(f"{format_metric(m, f'alpha_lambda_{part}', '.0%')} at {part}%" for part in (25, 50, 75))
    yield "within 20% of the life left", f"{shares} of a life (alpha-lambda, {m['lives']:.0f} lives)"
    if m.get("lives_to_the_end"):
        horizon = format_metric(m, "prognostic_horizon_h", ".0f")
        yield "prognostic horizon", f"{horizon} {units}: from then on within 20% of the whole life (median)"


def _failure_rows(m: Mapping[str, float], clock: Clock) -> Iterator[tuple[str, str]]:
    caught, total = format_metric(m, "failures_caught", ".0f"), format_metric(m, "failures_total", ".0f")
    yield "failures caught", f"{caught} of {total}"
    rate = format_metric(m, "false_alarms_per_asset_month", ".2f")
    yield "false alarms", f"{format_metric(m, 'false_alarms', '.0f')}, or {rate} per {clock.asset_month}"
    names = [f"lead_time_h_p{q}" for q in (10, 50, 90)]
    unit = clock.unit(m.get(name, math.nan) for name in names)
    leads = ", ".join(format_metric({name: m.get(name, math.nan) / unit.hours}, name, ".0f") for name in names)
    yield "lead time", f"{leads} {unit.plural} (10th, 50th and 90th percentile)"
    if "alarms_allowed" in m:
        allowed = format_metric(m, "alarms_allowed", ",.1f")
        yield "alarm budget", f"{format_metric(m, 'alarms', ',.0f')} alarms where it allows {allowed}"
        yield "  inspecting at random", f"{format_metric(m, 'failures_caught_at_random', '.1f')} failures caught"
    if "care_score" in m:
        yield from _anomaly_rows(m)
        return
    yield "expected cost", format_metric(m, "expected_cost", ",.0f")
    yield "  never acting", format_metric(m, "expected_cost_never", ",.0f")
    yield "  always acting", format_metric(m, "expected_cost_always", ",.0f")
    by_calendar = format_metric(m, "expected_cost_fixed_interval", ",.0f")
    yield "  by the calendar", f"{by_calendar}, every {_inspections(m, clock)}"
    shares = [("precision", "precision"), ("recall", "recall"), ("F1", "f1")]
    yield "decisions", ", ".join(f"{label} {format_metric(m, name, '.3f')}" for label, name in shares)
    scores = [("ROC AUC", "roc_auc"), ("PR AUC", "pr_auc"), ("Brier", "brier")]
    yield "probabilities", ", ".join(f"{label} {format_metric(m, name, '.3f')}" for label, name in scores)
    within, by_chance = format_metric(m, "roc_auc_within_assets", ".3f"), format_metric(m, "ranking_by_chance", ".2g")
    named = [(label, _interval(m, name, ".3f").strip(" ()")) for label, name in [shares[2], *scores[:2]]]
    if any(interval for _, interval in named):
        yield "  95% interval, by asset", ", ".join(f"{label} {interval}" for label, interval in named if interval)
    if "base_rate" in m:
        chance = f"PR AUC {format_metric(m, 'base_rate', '.3f')}, the base rate"
        yield "  by chance", f"{chance}; always alerting F1 {format_metric(m, 'f1_always', '.3f')}"
        slope = f"slope {format_metric(m, 'calibration_slope', '.2f')}{_interval(m, 'calibration_slope', '.2f')}"
        yield "calibration", f"{slope}, intercept {format_metric(m, 'calibration_intercept', '.2f')}"
    if "mode_accuracy" in m:
        right, usual = format_metric(m, "mode_accuracy", ".0%"), format_metric(m, "mode_accuracy_of_commonest", ".0%")
        precision = format_metric(m, "mode_average_precision", ".3f")
        yield "failure modes", f"mean average precision {precision}; {right} named rightly, the commonest {usual}"
    yield "ranking", f"ROC AUC within assets {within}; chance ranks as well with probability {by_chance}"
    yield "", _ranking(m, "")
    if "recall_at_fpr_rule" in m:
        within, area = format_metric(m, "roc_auc_within_assets_rule", ".3f"), format_metric(m, "roc_auc_rule", ".3f")
        yield "  by the simple rule", f"ROC AUC {area}, within assets {within}"
        yield "", _ranking(m, "_rule")


def _anomaly_rows(m: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    yield "  declared", f"{format_metric(m, 'declared_false_alarms_per_asset_month', '.2f')} per asset-month"
    false, missed = (format_metric(m, f"{kind}_alarm_rate", ".1%") for kind in ("false", "missed"))
    always = format_metric(m, "f1_always", ".3f")
    yield (
        "samples",
        f"F1 {format_metric(m, 'f1', '.3f')} (always alerting {always}), false alarms {false}, missed {missed}",
    )
    parts = ", ".join(
        f"{part} {format_metric(m, f'care_{part}', '.2f')}"
        for part in ("coverage", "accuracy", "reliability", "earliness")
    )
    yield "CARE score", f"{format_metric(m, 'care_score', '.3f')} ({parts})"
    yield "ranking", f"ROC AUC {format_metric(m, 'roc_auc', '.3f')}, PR AUC {format_metric(m, 'pr_auc', '.3f')}"


def _inspections(m: Mapping[str, float], clock: Clock) -> str:
    days = m.get("fixed_interval_days", math.nan)
    if clock.cycle is None and 0 < days < 1:
        return clock.amount(24 * days, ".3g")  # of tests that last seconds it is no day
    if clock.cycle is None or math.isnan(days):
        return f"{format_metric(m, 'fixed_interval_days', '.0f')} days"
    return clock.duration(pd.Timedelta(days=days))


def _interval(m: Mapping[str, float], name: str, form: str) -> str:
    low, high = format_metric(m, f"{name}_low", form), format_metric(m, f"{name}_high", form)
    return f" ({low} to {high})" if "-" not in (low, high) else ""


def _ranking(m: Mapping[str, float], by: str) -> str:
    rate, top = format_metric(m, "false_positive_rate", ".0%"), format_metric(m, "top", ".0f")
    recall, found = format_metric(m, f"recall_at_fpr{by}", ".3f"), format_metric(m, f"recall_in_top{by}", ".3f")
    right = format_metric(m, f"precision_in_top{by}", ".3f")
    return f"recall {recall} at {rate} false positives; the top {top} a horizon: precision {right}, recall {found}"
