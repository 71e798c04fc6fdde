"""How well alarms of anomalies fit labelled spans: by row, and by event.

References
----------
Tatbul et al., "Precision and recall for time series", NeurIPS 2018, arXiv:1803.03639 (why rows alone mislead).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from models.assessment.anomaly.care_score import Recording, care_score
from models.labels.labels import LabelState

Rows = npt.NDArray[np.bool_]

_OF_PROBABILITIES = ("brier", "calibration", "expected_cost")
_CRITICAL_ROWS = 2
"""An event of an asset counts as detected from as many alerts more than quiet samples on."""


@dataclass(frozen=True)
class RowCounts:
    """Rows by alarm and label; counts of several recordings add up."""

    hit: int
    false: int
    missed: int
    quiet: int

    def __add__(self, other: "RowCounts") -> "RowCounts":
        return RowCounts(*(getattr(self, name) + getattr(other, name) for name in vars(self)))

    @property
    def f1(self) -> float:
        """Return the F1 score; NaN without alarm and label."""
        return _ratio(2 * self.hit, 2 * self.hit + self.false + self.missed)

    @property
    def false_alarm_rate(self) -> float:
        """Return the share of the healthy rows with an alarm."""
        return _ratio(self.false, self.false + self.quiet)

    @property
    def missed_alarm_rate(self) -> float:
        """Return the share of the anomalous rows without one."""
        return _ratio(self.missed, self.hit + self.missed)


def count_rows(alarm: Rows, anomalous: Rows) -> RowCounts:
    """Count rows (n,) by alarm and label.

    >>> count_rows(np.array([True, True, False]), np.array([True, False, False])).f1
    0.6666666666666666
    """
    hit, false, missed = alarm & anomalous, alarm & ~anomalous, ~alarm & anomalous
    return RowCounts(int(hit.sum()), int(false.sum()), int(missed.sum()), int((~alarm & ~anomalous).sum()))


def anomaly_metrics(predictions: pd.DataFrame, metrics: Mapping[str, float], *, declared: float) -> dict[str, float]:
    """Return the figures of a test of anomaly alarms: those of alarms and failures, by row, and the CARE score.

    Takes test samples (asset, as_of, state, alert) and the metrics of failures, of which those of a probability are
    left out: a score is none. ``false_alarms_by_chance`` is how likely so many false alarms are at the declared rate.
    """
    kept = {name: value for name, value in metrics.items() if not name.startswith(_OF_PROBABILITIES)}
    rows = count_rows(
        predictions["alert"].to_numpy(dtype=np.bool_)[_decided(predictions)],
        (predictions["state"] == LabelState.POSITIVE).to_numpy()[_decided(predictions)],
    )
    care = care_score([_recording(own) for _, own in predictions.groupby("asset")], criticality=_CRITICAL_ROWS)
    expected = declared * metrics.get("asset_months", float("nan"))
    return {
        **kept,
        "false_alarm_rate": rows.false_alarm_rate,
        "missed_alarm_rate": rows.missed_alarm_rate,
        "care_score": care.score,
        "care_coverage": care.coverage,
        "care_accuracy": care.accuracy,
        "care_reliability": care.reliability,
        "care_earliness": care.earliness,
        "declared_false_alarms_per_asset_month": declared,
        "false_alarms_by_chance": float(stats.poisson.sf(metrics.get("false_alarms", float("nan")) - 1, expected)),
    }


def _decided(predictions: pd.DataFrame) -> Rows:
    return predictions["state"].isin([LabelState.POSITIVE, LabelState.NEGATIVE]).to_numpy(dtype=np.bool_)


def _recording(own: pd.DataFrame) -> Recording:
    ordered = own.sort_values("as_of")
    positive = (ordered["state"] == LabelState.POSITIVE).to_numpy(dtype=np.bool_)
    return Recording(ordered["alert"].to_numpy(dtype=np.bool_), positive, _decided(ordered))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
