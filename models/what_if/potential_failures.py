"""The failures that a fleet would have had: those recorded, and defects that somebody repaired in time.

A defect that mechanics confirmed and repaired has no counterfactual: whether it would have become a failure, and when,
nobody knows. It is kept apart, with the probability that the model itself gave it last.
"""

from typing import Any

import numpy as np
import pandas as pd

from models.backtesting.outcome_sources import OutcomeSources
from models.labels.labels import CONCLUSIVE_FINDINGS, interventions, known_rows
from models.outcomes.outcomes import known_failures, known_work_orders
from models.outcomes.reported_visits import reported_visits

_KEYS = ["asset", "event_time"]
NO_MODE = ""


def potential_failures(sources: OutcomeSources) -> pd.DataFrame:
    """Return asset, event_time, mode and happened, sorted: one row a breakdown, or a defect repaired in time."""
    failures = known_failures(sources.failures, sources.at, sources.terms.breakdown)
    booked = known_rows(sources.failures, "failure_id", sources.at)
    happened = _with_mode(failures, booked, "mode").assign(happened=True)
    work = recorded_visits(sources)
    confirmed = work[work["finding"].eq("defect_confirmed").fillna(False).astype(bool)]
    repaired = _with_mode(confirmed[_KEYS].drop_duplicates(), confirmed, "component").assign(happened=False)
    both = pd.concat([happened, repaired], ignore_index=True)
    types: dict[str, Any] = {"asset": "str", "mode": "str", "event_time": "datetime64[us, UTC]", "happened": bool}
    both = both.astype(types).sort_values([*_KEYS, "happened"], ascending=[True, True, False], ignore_index=True)
    return both.drop_duplicates(_KEYS, ignore_index=True)


def recorded_visits(sources: OutcomeSources) -> pd.DataFrame:
    """Return the visits after alarms and audits, as known in the end: one that two systems report counts once."""
    orders = known_work_orders(sources.work_orders, sources.at)
    return reported_visits(interventions(orders), sources.terms.claim)


def unclear_visits(sources: OutcomeSources) -> pd.DataFrame:
    """Return asset and event_time of the visits whose finding does not say whether there was a defect."""
    work = recorded_visits(sources)
    return work.loc[~work["finding"].isin(CONCLUSIVE_FINDINGS), _KEYS].reset_index(drop=True)


def probability_before(events: pd.DataFrame, scores: pd.DataFrame, column: str) -> "pd.Series[float]":
    """Return the probability that the model gave last before each event; 1 where it gave none."""
    times = events[_KEYS].assign(row=np.arange(len(events))).sort_values("event_time")
    known = scores[["asset", "as_of", column]].sort_values("as_of")
    joined = pd.merge_asof(times, known, left_on="event_time", right_on="as_of", by="asset")
    return joined.sort_values("row")[column].set_axis(events.index).fillna(1.0).astype(np.float64)


def _with_mode(events: pd.DataFrame, rows: pd.DataFrame, column: str) -> pd.DataFrame:
    if column not in rows:
        return events.assign(mode=NO_MODE)
    named = rows[[*_KEYS, column]].drop_duplicates(_KEYS).rename(columns={column: "mode"})
    named = named.astype({"asset": "str", "event_time": "datetime64[us, UTC]"})
    joined = events.merge(named, on=_KEYS, how="left")
    return joined.assign(mode=joined["mode"].astype("object").where(joined["mode"].notna(), NO_MODE))
