"""The figures that versions are compared by, each of them of assets as often as they are drawn.

A figure takes draws of assets, (n_draws, n_assets), and gives its value in each. One draw that has every asset once is
the figure itself; many at random are its bootstrap; the same draws for two versions make the comparison paired.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.assessment.bootstrap_intervals import pr_auc_draws, roc_auc_draws
from models.comparisons.alarm_record import AlarmRecord
from models.labels.labels import LabelState

Vector = npt.NDArray[np.float64]
DrawnFigure = Callable[[Vector], Vector]


@dataclass(frozen=True)
class FigureKind:
    """What a figure is, and which end of it is good."""

    name: str  # in JSON
    words: str  # for people
    higher_is_better: bool
    form: str = ".3f"  # format specification


KINDS: Final = {
    kind.name: kind
    for kind in (
        FigureKind("pr_auc", "PR AUC", True),
        FigureKind("roc_auc", "ROC AUC", True),
        FigureKind("f1", "F1", True),
        FigureKind("brier", "Brier score", False, ".4f"),
        FigureKind("missed_share", "failures missed", False, ".1%"),
        FigureKind("false_alarms_per_asset_month", "false alarms per asset-month", False),
        FigureKind("warning_h", "warning per failure, hours", True, ",.1f"),
        FigureKind("expected_cost", "cost", False, ",.0f"),
        FigureKind("rmse", "RMSE", False, ",.4g"),
        FigureKind("mae", "mean absolute error", False, ",.4g"),
    )
}


def failure_figures(
    samples: pd.DataFrame, record: AlarmRecord, assets: "pd.Index[str]", *, probabilities: bool
) -> Mapping[str, DrawnFigure]:
    """Return the figures of one version that alerts; `samples` have asset, state, prediction and alert."""
    decided = samples[samples["state"].isin([LabelState.POSITIVE, LabelState.NEGATIVE])]
    code = assets.get_indexer(pd.Index(decided["asset"]))
    truth = (decided["state"] == LabelState.POSITIVE).to_numpy()
    score, alert = decided["prediction"].to_numpy(dtype=np.float64), decided["alert"].to_numpy(dtype=np.bool_)

    def total(values: npt.NDArray[np.generic]) -> Vector:
        return _total(code, values.astype(np.float64), len(assets))

    counts = {name: record.by_asset[name].to_numpy() for name in record.by_asset}
    months = counts["asset_months"]
    brier = {"brier": _ratio(total((score - truth) ** 2), total(np.ones(len(truth))))} if probabilities else {}
    return {
        "pr_auc": lambda draws: pr_auc_draws(code, truth, score, draws),
        "roc_auc": lambda draws: roc_auc_draws(code, truth, score, draws),
        "f1": _ratio(2 * total(alert & truth), total(alert) + total(truth)),
        **brier,
        "missed_share": _ratio(counts["missed"], counts["failures"]),
        "false_alarms_per_asset_month": _ratio(counts["false"], months),
        "warning_h": _ratio(counts["warned_h"], counts["failures"]),
        "expected_cost": lambda draws: draws @ counts["cost"],
    }


def number_figures(samples: pd.DataFrame, true: Vector, assets: "pd.Index[str]") -> Mapping[str, DrawnFigure]:
    """Return the figures of one version that predicts a number; `true` is NaN where that is not known."""
    known = ~np.isnan(true)
    code = assets.get_indexer(pd.Index(samples["asset"]))[known]
    error = samples["prediction"].to_numpy(dtype=np.float64)[known] - true[known]
    count = np.bincount(code, minlength=len(assets)).astype(np.float64)
    squares = _ratio(_total(code, error**2, len(assets)), count)
    return {
        "rmse": lambda draws: np.sqrt(squares(draws)),
        "mae": _ratio(_total(code, np.abs(error), len(assets)), count),
    }


def _total(code: npt.NDArray[np.intp], values: Vector, n_assets: int) -> Vector:
    """Add up values by asset, shape (n_assets,)."""
    return np.bincount(code, values, n_assets).astype(np.float64)


def _ratio(above: Vector, below: Vector) -> DrawnFigure:
    """Return the ratio of two sums over assets; NaN in a draw without anything below."""

    def drawn(draws: Vector) -> Vector:
        numerator, denominator = draws @ above, draws @ below
        ratio: Vector = np.divide(numerator, denominator, out=np.full(len(draws), np.nan), where=denominator > 0)
        return ratio

    return drawn
