"""How often a model is wrong, over a period, with intervals.

There are two kinds: rates that a plant notices (failures missed, false alarm episodes per asset-month, true share of
the episodes) and the classical rates per decision. Only outcomes that have matured are counted, and every rate carries
the counts it comes from, so that it can be checked by hand. Its interval allows for assets that differ; its bounds
cover every possible outcome of the unknown cases: an undecided episode was true or false, and if true, it prevented one
failure. Uncovered failures are counted separately and enter no rate.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.outcomes.finding_errors import FindingQuality, found_sound, unreported_defects
from models.outcomes.outcomes import Outcomes
from models.outcomes.rate_intervals import Bounds, clustered_occurrence, clustered_share, with_bounds
from models.outcomes.rate_intervals import Rate as Rate
from models.outcomes.rate_intervals import occurrence as occurrence
from models.outcomes.rate_intervals import share as share
from models.outcomes.stratum_counts import StratumCounts, strata_from_dict, strata_to_dict
from models.outcomes.weekly_counts import WeekCounts

MONTH = pd.Timedelta(days=30)
"""An asset-month, in which exposure is counted."""

Counts = npt.NDArray[np.float64]
"""One number for each asset."""
Parts = tuple[Counts, Counts]
"""Errors of each asset, and the trials or exposure they are counted over."""

# JSON has no NaN and no infinity: null stands for these.
_NAN = float("nan")
_NULLS: dict[str, Any] = {"value": _NAN, "lowest": _NAN, "highest": _NAN, "high": float("inf")}


@dataclass(frozen=True)
class ErrorRates:
    """Hold the error rates of one model over one period.

    Parameters
    ----------
    start, end
        The period, (start, end] (UTC).
    missed
        Share of the failures missed, of those caught, prevented and missed.
    false_episodes
        False alarm episodes per asset-month.
    decision_fn, decision_fp
        The classical false-negative and false-positive rates per decision.
    caught, prevented, uncovered
        Number of failures alarmed, averted by mechanics, and without any decision in time.
    undecided
        Matured episodes whose truth cannot be known (censored or unknown).
    confidence
        Of the intervals.
    precision
        Share of the alarm episodes that were true (something failed, or a defect was found), of those true or false;
        None in rates stored before it was counted.
    misreported
        Defects, beyond those confirmed, that inspections must have met given how often findings are wrong; the rates
        of failures and episodes count them, those of decisions do not. Below zero where too many were confirmed.
    weeks
        The counts week by week, of rates that a champion is promoted with; empty otherwise, and in rates stored before
        they were counted.
    strata
        The counts by stratum (plant, asset model, another column of the assets table), likewise.
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
    misreported: float = 0.0
    weeks: tuple[WeekCounts, ...] = ()
    strata: tuple[StratumCounts, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the rates as plain values: times in ISO 8601, NaN and infinity as None."""
        values = {name: as_json(value) for name, value in asdict(self).items()}
        more = {"weeks": [week.to_list() for week in self.weeks], "strata": strata_to_dict(self.strata)}
        plain = {name: value for name, value in values.items() if name not in more}
        return plain | {name: counts for name, counts in more.items() if counts}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ErrorRates":
        """Read the rates that `to_dict` wrote."""
        parsed: dict[str, Any] = dict(values)
        for name in ("start", "end"):
            parsed[name] = pd.Timestamp(values[name])
        for name in ("missed", "false_episodes", "decision_fn", "decision_fp", "precision"):
            parsed[name] = None if values.get(name) is None else parse_rate(values[name])
        parsed["weeks"] = tuple(WeekCounts.from_list(week) for week in values.get("weeks", ()))
        parsed["strata"] = strata_from_dict(values.get("strata", {}))
        return cls(**parsed)


def parse_rate(values: Mapping[str, Any]) -> Rate:
    """Read a rate that was stored as JSON values."""
    bounds = values.get("bounds")
    own = {key: _NULLS[key] if x is None else x for key, x in values.items() if key != "bounds"}
    if bounds is None:
        return Rate(**own)
    return Rate(**own, bounds=Bounds(**{key: _NULLS[key] if x is None else x for key, x in bounds.items()}))


def error_rates(
    outcomes: Outcomes,
    *,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    confidence: float = 0.95,
    findings: FindingQuality | None = None,
) -> ErrorRates:
    """Count the errors among the matured outcomes of a period.

    The period (start, end] is by a decision's cut-off, an episode's opening and a failure's event time. By default it
    runs from the first decision to the last matured time, beyond which `end` never reaches. With `findings` that may
    be wrong, the rates are corrected for them, and the bounds reach from the rates as reported to the corrected ones.
    """
    last = outcomes.matured_until if end is None else min(end, outcomes.matured_until)
    first = _first_time(outcomes, last) if start is None else start
    counts = _counts(outcomes, first, last)

    def total(*names: str) -> Counts:
        return np.asarray(counts.reindex(columns=list(names), fill_value=0.0).sum(axis=1), dtype=np.float64)

    missed, events = total("failure missed"), total("failure missed", "failure caught", "failure prevented")
    true, false = total("episode tp", "episode tp_prevented"), total("episode fp")
    undecided = total("episode censored", "episode unknown")
    fn, tp, fp, tn = (total(f"decision {state}") for state in ("fn", "tp", "fp", "tn"))
    alerted, silent = total("decision censored alert"), total("decision censored")

    hidden = unreported_defects(total("episode tp_prevented"), total("episode cleared"), findings or FindingQuality())
    none = np.zeros_like(hidden)
    most, least = (hidden, none) if hidden.sum() > 0 else (none, hidden)

    def bounded(rate: Callable[..., Rate], decided: Parts, lowest: Parts, highest: Parts, unknown: Counts) -> Rate:
        own, low, high = (rate(*parts, confidence) for parts in (decided, lowest, highest))
        return with_bounds(own, low, high, round(unknown.sum()))

    return ErrorRates(
        start=first,
        end=last,
        missed=bounded(
            clustered_share,
            (missed, events + hidden),
            (missed, events + most + undecided),
            (missed, events + least),
            undecided,
        ),
        false_episodes=bounded(
            clustered_occurrence,
            (false - hidden, total("exposure")),
            (false - most, total("exposure")),
            (false - least + undecided, total("exposure")),
            undecided,
        ),
        decision_fn=bounded(
            clustered_share, (fn, fn + tp), (fn, fn + tp + alerted), (fn + silent, fn + silent + tp), alerted + silent
        ),
        decision_fp=bounded(
            clustered_share, (fp, fp + tn), (fp, fp + tn + silent), (fp + alerted, fp + alerted + tn), alerted + silent
        ),
        caught=round(total("failure caught").sum()),
        prevented=round(total("failure prevented").sum()),
        uncovered=round(total("failure uncovered").sum()),
        undecided=round(undecided.sum()),
        confidence=confidence,
        precision=bounded(
            clustered_share,
            (true + hidden, true + false),
            (true + least, true + false + undecided),
            (true + most + undecided, true + false + undecided),
            undecided,
        ),
        misreported=float(hidden.sum()),
    )


def _first_time(outcomes: Outcomes, last: pd.Timestamp) -> pd.Timestamp:
    if outcomes.decisions.empty:
        return last
    # The period is open on the left; the first decision itself belongs to it.
    first: pd.Timestamp = outcomes.decisions["as_of"].min()
    return min(first - pd.Timedelta(1, "us"), last)


def _counts(outcomes: Outcomes, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Count states by asset: a row an asset, a column each unit and state, and the exposure in asset-months."""
    parts = []
    for unit, time in (("decision", "as_of"), ("episode", "opened"), ("failure", "event_time")):
        frame: pd.DataFrame = getattr(outcomes, f"{unit}s")
        inside = frame[(frame[time] > start) & (frame[time] <= end)]
        state = unit + " " + inside["state"]
        if unit == "decision":
            state = state.where(~((inside["state"] == "censored") & inside["alert"]), "decision censored alert")
            exposure: Any = inside.groupby("asset")["covered"].sum()
            parts.append((exposure / MONTH).rename("exposure").to_frame())
        parts.append(pd.crosstab(inside["asset"], state))
        if unit == "episode":
            parts.append(inside[found_sound(inside)].groupby("asset").size().rename("episode cleared").to_frame())
    counts: pd.DataFrame = pd.concat(parts, axis=1).fillna(0.0).sort_index()
    return counts


def as_json(value: Any) -> Any:
    """Return a value as JSON can hold it: times in ISO 8601, tuples as lists, NaN and infinity as None."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value


def unreported_share(outcomes: Outcomes, since: pd.Timestamp) -> float:
    """Return the share of matured alarm episodes opened after `since` whose work has no reported finding."""
    matured = outcomes.episodes[(outcomes.episodes["opened"] > since) & (outcomes.episodes["state"] != "pending")]
    return float((matured["state"] == "censored").mean()) if len(matured) else 0.0
