"""The figures of an evaluation, drawn in a few lines that a person can read."""

import math
from collections.abc import Iterator, Mapping

from rich.table import Table


def draw_figures(metrics: Mapping[str, float]) -> Table:
    """Draw the figures of an evaluation.

    Parameters
    ----------
    metrics : Mapping[str, float]
        Figures by name, as `models.training.evaluation` names them; one that is missing or NaN is drawn as "-".

    Returns
    -------
    Table
        What is told on the left, the figures on the right.
    """
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, told in _life(metrics) if "rmse_capped" in metrics else _failures(metrics):
        table.add_row(name, told)
    return table


def figure(metrics: Mapping[str, float], name: str, form: str) -> str:
    """Return a figure as text.

    Parameters
    ----------
    metrics : Mapping[str, float]
        Figures by name.
    name : str
        The one wanted.
    form : str
        How to format it, as `format` takes it.

    Returns
    -------
    str
        "-" if it is not there, or is NaN.
    """
    value = metrics.get(name, math.nan)
    return "-" if math.isnan(value) else format(value, form)


def words(noun: str, count: int) -> str:
    """Return a noun in the number that fits.

    Examples
    --------
    >>> words("row", 1), words("row", 2)
    ('row', 'rows')
    """
    return noun if count == 1 else f"{noun}s"


def _life(m: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    yield "RMSE", f"{figure(m, 'rmse_capped', '.2f')} capped, {figure(m, 'rmse_uncapped', '.2f')} not capped (hours)"
    yield (
        "NASA score",
        f"{figure(m, 'nasa_score_capped', ',.0f')} capped, {figure(m, 'nasa_score_uncapped', ',.0f')} not",
    )
    yield "samples judged", figure(m, "samples_scored", ",.0f")


def _failures(m: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    yield "failures caught", f"{figure(m, 'failures_caught', '.0f')} of {figure(m, 'failures_total', '.0f')}"
    each = figure(m, "false_alarms_per_asset_month", ".2f")
    yield "false alarms", f"{figure(m, 'false_alarms', '.0f')}, or {each} per asset-month"
    leads = ", ".join(figure(m, f"lead_time_h_p{q}", ".0f") for q in (10, 50, 90))
    yield "lead time", f"{leads} hours (10th, 50th and 90th percentile)"
    yield "expected cost", figure(m, "expected_cost", ",.0f")
    yield "  never acting", figure(m, "expected_cost_never", ",.0f")
    yield "  always acting", figure(m, "expected_cost_always", ",.0f")
    days = figure(m, "fixed_interval_days", ".0f")
    yield "  by the calendar", f"{figure(m, 'expected_cost_fixed_interval', ',.0f')}, every {days} days"
    shares = [("precision", "precision"), ("recall", "recall"), ("F1", "f1")]
    yield "decisions", ", ".join(f"{label} {figure(m, name, '.3f')}" for label, name in shares)
    scores = [("ROC AUC", "roc_auc"), ("PR AUC", "pr_auc"), ("Brier", "brier")]
    yield "probabilities", ", ".join(f"{label} {figure(m, name, '.3f')}" for label, name in scores)
