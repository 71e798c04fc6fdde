"""Spans that somebody labelled as anomalous: alarms are compared with them, and nothing learns from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import NotFoundError, UsageError
from models.assessment.anomaly.care_score import CRITICALITY, CareScore, Recording, care_score
from models.assessment.anomaly.figures import RowCounts, count_rows

Rows = npt.NDArray[np.bool_]
_COLUMNS = ("asset", "begins", "ends")
_REMEDY = "Give a CSV file with the columns asset, begins and ends, times as 2026-03-01T12:00:00Z"


@dataclass(frozen=True)
class SpanFigures:
    """How well alarms fit labelled spans."""

    rows: RowCounts  # decisions by alert and label
    spans: int  # with at least one decision
    detected: int  # of them, with an alert
    not_scored: int  # spans without a decision
    median_delay_h: float  # from the beginning of a detected span to its first alert; NaN if none was detected
    care: CareScore  # an asset is one recording


def read_spans(file: Path) -> pd.DataFrame:
    """Read asset, begins and ends (UTC, both included) of labelled spans from a CSV file."""
    if not file.is_file():
        raise NotFoundError(f"there is no file {file}", "labelled spans", _REMEDY)
    # pandas' own errors for a file that is no table are ValueErrors, too.
    try:
        table = pd.read_csv(file, dtype="str")
    except ValueError as error:
        raise UsageError(f"{file} is no table ({error})", "labelled spans", _REMEDY) from error
    if missing := [name for name in _COLUMNS if name not in table]:
        raise UsageError(f"{file} has no column {', '.join(missing)}", ", ".join(_COLUMNS), _REMEDY)
    if len(empty := np.flatnonzero(table["asset"].isna())):
        raise UsageError(f"{_place(file, empty)} has no asset", "an asset in every line", _REMEDY)
    spans = pd.DataFrame(
        {"asset": table["asset"], **{name: _times(file, table[name]) for name in ("begins", "ends")}}
    ).astype({"asset": "str"})
    if len(reversed_ := np.flatnonzero(spans["ends"] < spans["begins"])):
        raise UsageError(f"{_place(file, reversed_)} ends before it begins", "begins no later than ends", "Fix it")
    return spans


def span_figures(decisions: pd.DataFrame, spans: pd.DataFrame, *, criticality: int = CRITICALITY) -> SpanFigures:
    """Compare decisions (asset, as_of, alert) with spans (asset, begins, ends); spans may overlap."""
    ordered = decisions.sort_values(["asset", "as_of"], ignore_index=True)
    alert, anomalous = ordered["alert"].to_numpy(dtype=np.bool_), np.zeros(len(ordered), dtype=np.bool_)
    by_asset = {str(asset): rows.to_numpy() for asset, rows in ordered.groupby("asset").groups.items()}
    delays, not_scored = [], 0
    for asset, begins, ends in spans[list(_COLUMNS)].itertuples(index=False):
        own = by_asset.get(str(asset), np.zeros(0, dtype=np.intp))
        times = ordered["as_of"].iloc[own]
        inside = own[((times >= begins) & (times <= ends)).to_numpy()]
        anomalous[inside] = True
        if len(inside):
            alerts = ordered["as_of"].iloc[inside[alert[inside]]]
            delays.append((alerts.min() - begins) / pd.Timedelta(hours=1) if len(alerts) else np.nan)
        else:
            not_scored += 1
    recordings = [Recording(alert[own], anomalous[own]) for own in by_asset.values()]
    return SpanFigures(
        count_rows(alert, anomalous),
        len(delays),
        int(np.isfinite(delays).sum()),
        not_scored,
        _median(delays),
        care_score(recordings, criticality=criticality),
    )


def _times(file: Path, column: "pd.Series[str]") -> "pd.Series[pd.Timestamp]":
    zoned = column.fillna("").str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True)
    times = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
    if len(wrong := np.flatnonzero(~zoned | times.isna())):
        found = f"{_place(file, wrong)} has {column.name} {column.iloc[wrong[0]]!r}"
        raise UsageError(found, "a time with its zone", _REMEDY)
    return times.dt.as_unit("us")


def _place(file: Path, rows: Sequence[int] | npt.NDArray[np.intp]) -> str:
    return f"line {int(rows[0]) + 2} of {file}"


def _median(delays: Sequence[float]) -> float:
    known = [delay for delay in delays if np.isfinite(delay)]
    return float(np.median(known)) if known else float("nan")
