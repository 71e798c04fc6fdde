"""How often a predictor is wrong, over a period, with intervals.

Two kinds are kept apart: rates a plant feels (failures missed, false alarm episodes for each month an asset was
watched, true ones of the judged) and the classical rates per decision. Only outcomes that have matured are counted, and
every rate carries the counts it comes from, so that it can be checked by hand. Its interval allows for assets that
differ; its bounds say what it may be whatever the unknown cases are: an episode that nobody could judge was true or
false, and had it been true, it kept one failure from happening. Uncovered failures count nowhere but apart.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.outcomes.outcomes import Outcomes
from models.outcomes.rate_intervals import Bounds, clustered_occurrence, clustered_share, within
from models.outcomes.rate_intervals import Rate as Rate
from models.outcomes.rate_intervals import occurrence as occurrence
from models.outcomes.rate_intervals import share as share

MONTH = pd.Timedelta(days=30)
"""An asset-month, in which exposure is counted."""

Counts = npt.NDArray[np.float64]
"""One number for each asset."""
Parts = tuple[Counts, Counts]
"""Errors of each asset, and the trials or exposure they are counted over."""

# What JSON has no number for.
_NAN = float("nan")
_UNSAID: dict[str, Any] = {"value": _NAN, "lowest": _NAN, "highest": _NAN, "high": float("inf")}


@dataclass(frozen=True)
class ErrorRates:
    """The error rates of one model over one period.

    Parameters
    ----------
    start, end : pd.Timestamp
        The period, (start, end].
    missed : Rate
        Failures missed, of failures caught, prevented and missed.
    false_episodes : Rate
        False alarm episodes per asset-month.
    decision_fn, decision_fp : Rate
        The classical false-negative and false-positive rates per decision.
    caught, prevented, uncovered : int
        Failures alarmed, averted by mechanics, and those for which no decision was made in time.
    undecided : int
        Matured episodes that nobody can judge (censored or unknown).
    confidence : float
        Of the intervals.
    precision : Rate, optional
        Alarm episodes that were true (something failed, or a defect was found), of those judged; None in rates stored
        before it was counted.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    missed: Rate
    false_episodes: Rate
    decision_fn: Rate
    decision_fp: Rate
    caught: int
    prevented: int
    uncovered: int
    undecided: int
    confidence: float
    precision: Rate | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the rates as plain values, times in ISO 8601; what is not a number is None."""
        return {name: as_json(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ErrorRates":
        """Return the rates that `to_dict` wrote."""
        parsed: dict[str, Any] = dict(values)
        for name in ("start", "end"):
            parsed[name] = pd.Timestamp(values[name])
        for name in ("missed", "false_episodes", "decision_fn", "decision_fp", "precision"):
            parsed[name] = None if values.get(name) is None else _rate(values[name])
        return cls(**parsed)


def _rate(values: Mapping[str, Any]) -> Rate:
    bounds = values.get("bounds")
    own = {key: _UNSAID[key] if x is None else x for key, x in values.items() if key != "bounds"}
    if bounds is None:
        return Rate(**own)
    return Rate(**own, bounds=Bounds(**{key: _UNSAID[key] if x is None else x for key, x in bounds.items()}))


def error_rates(
    known: Outcomes,
    *,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    confidence: float = 0.95,
) -> ErrorRates:
    """Count the errors of a period.

    Parameters
    ----------
    known : Outcomes
        What became of one model's predictions.
    start, end : pd.Timestamp, optional
        The period (start, end], by a decision's cut-off, an episode's opening and a failure's event time. Default: from
        the first decision to all that has matured; `end` never reaches beyond that.
    confidence : float
        Of the two-sided intervals.

    Returns
    -------
    ErrorRates
        Of matured outcomes only.
    """
    last = known.matured_until if end is None else min(end, known.matured_until)
    first = _beginning(known, last) if start is None else start
    counts = _counts(known, first, last)

    def total(*names: str) -> Counts:
        return np.asarray(counts.reindex(columns=list(names), fill_value=0.0).sum(axis=1), dtype=np.float64)

    missed, events = total("failure missed"), total("failure missed", "failure caught", "failure prevented")
    true, false = total("episode tp", "episode tp_prevented"), total("episode fp")
    undecided = total("episode censored", "episode unknown")
    fn, tp, fp, tn = (total(f"decision {state}") for state in ("fn", "tp", "fp", "tn"))
    loud, silent = total("decision censored alert"), total("decision censored")

    def bounded(rate: Callable[..., Rate], judged: Parts, lowest: Parts, highest: Parts, unknown: Counts) -> Rate:
        found, least, most = (rate(*parts, confidence) for parts in (judged, lowest, highest))
        return within(found, least, most, round(unknown.sum()))

    return ErrorRates(
        start=first,
        end=last,
        missed=bounded(clustered_share, (missed, events), (missed, events + undecided), (missed, events), undecided),
        false_episodes=bounded(
            clustered_occurrence,
            (false, total("exposure")),
            (false, total("exposure")),
            (false + undecided, total("exposure")),
            undecided,
        ),
        decision_fn=bounded(
            clustered_share, (fn, fn + tp), (fn, fn + tp + loud), (fn + silent, fn + silent + tp), loud + silent
        ),
        decision_fp=bounded(
            clustered_share, (fp, fp + tn), (fp, fp + tn + silent), (fp + loud, fp + loud + tn), loud + silent
        ),
        caught=round(total("failure caught").sum()),
        prevented=round(total("failure prevented").sum()),
        uncovered=round(total("failure uncovered").sum()),
        undecided=round(undecided.sum()),
        confidence=confidence,
        precision=bounded(
            clustered_share,
            (true, true + false),
            (true, true + false + undecided),
            (true + undecided, true + false + undecided),
            undecided,
        ),
    )


def _beginning(known: Outcomes, last: pd.Timestamp) -> pd.Timestamp:
    if known.decisions.empty:
        return last
    # The period is open on the left; the first decision itself belongs to it.
    first: pd.Timestamp = known.decisions["as_of"].min()
    return min(first - pd.Timedelta(1, "us"), last)


def _inside(times: "pd.Series[pd.Timestamp]", start: pd.Timestamp, end: pd.Timestamp) -> "pd.Series[bool]":
    return (times > start) & (times <= end)


def _counts(known: Outcomes, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Count what each asset saw: a row an asset, a column each state, and the exposure in asset-months."""
    found = []
    for unit, time in (("decision", "as_of"), ("episode", "opened"), ("failure", "event_time")):
        frame: pd.DataFrame = getattr(known, f"{unit}s")
        inside = frame[_inside(frame[time], start, end)]
        state = unit + " " + inside["state"]
        if unit == "decision":
            state = state.where(~((inside["state"] == "censored") & inside["alert"]), "decision censored alert")
            watched: Any = inside.groupby("asset")["covered"].sum()
            found.append((watched / MONTH).rename("exposure").to_frame())
        found.append(pd.crosstab(inside["asset"], state))
    counts: pd.DataFrame = pd.concat(found, axis=1).fillna(0.0).sort_index()
    return counts


def as_json(value: Any) -> Any:
    """Return a value as JSON can hold it: times in ISO 8601, tuples as lists, what is not a finite number as None."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value
