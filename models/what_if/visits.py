"""Which assets crews would have visited, and when: alarms first, the most likely first, then the calendar.

Each alarm episode asks for one visit, `response` after it opened at the earliest. Where crews are limited it waits for
a place on a later day, and lapses a claim after its last alert. Each morning the most
likely of those that wait come first; what comes in during a day gets the places that are left, in its order.
"""

import heapq
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.outcomes.episodes import merge_alerts, number_alerts
from models.outcomes.outcomes import Terms

_US_A_DAY = 86_400_000_000
_COLUMNS = ["asset", "alarmed_at", "visited_at"]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Crews:
    """How visits come about."""

    machines_per_day: int | None  # no limit if None
    response: pd.Timedelta  # from an alarm to its visit at the earliest
    inspect_every: pd.Timedelta | None  # of every asset by the calendar, spread over the interval; none if None


@dataclass(frozen=True)
class Span:
    """A time and the assets that were watched in it."""

    since: pd.Timestamp
    until: pd.Timestamp
    assets: tuple[str, ...]


def plan_visits(alerts: pd.DataFrame, terms: Terms, crews: Crews, span: Span) -> pd.DataFrame:
    """Return asset, alarmed_at (null for the calendar's) and visited_at, one row a visit.

    `alerts` has asset, as_of and probability, one row an alert.
    """
    requests = pd.concat([_alarms(alerts, terms, crews.response), _calendar(crews, span)], ignore_index=True)
    requests = requests[requests["earliest"] <= span.until].reset_index(drop=True)
    if crews.machines_per_day is None:
        visited = requests["earliest"]
    else:
        visited = _assign_days(requests, crews.machines_per_day, span.until)
    visits = requests.assign(visited_at=visited)
    return visits.loc[visits["visited_at"].notna(), _COLUMNS].sort_values(["asset", "visited_at"], ignore_index=True)


def _alarms(alerts: pd.DataFrame, terms: Terms, response: pd.Timedelta) -> pd.DataFrame:
    numbered = number_alerts(alerts.assign(alert=True), terms)
    merged = merge_alerts(numbered)
    opening = alerts.rename(columns={"as_of": "opened"})[["asset", "opened", "probability"]]
    merged = merged.merge(opening.astype({"opened": "datetime64[us, UTC]", "asset": "str"}), on=["asset", "opened"])
    return pd.DataFrame(
        {
            "asset": merged["asset"].astype("str"),
            "alarmed_at": merged["opened"],
            "earliest": merged["opened"] + response,
            "lapses": merged["closed"] + terms.claim,
            "rank": -merged["probability"].astype(np.float64),
        }
    )


def _calendar(crews: Crews, span: Span) -> pd.DataFrame:
    utc = "datetime64[us, UTC]"
    if crews.inspect_every is None:
        empty: dict[str, Any] = {"asset": "str", "alarmed_at": utc, "earliest": utc, "lapses": utc, "rank": np.float64}
        return pd.DataFrame(columns=list(empty)).astype(empty)
    every = crews.inspect_every
    due = [
        (asset, span.since + every * ((place + 0.5) / len(span.assets)) + number * every)
        for place, asset in enumerate(span.assets)
        for number in range(int((span.until - span.since) // every) + 1)
    ]
    frame = pd.DataFrame(due, columns=["asset", "earliest"]).astype({"asset": "str", "earliest": utc})
    # One that found no place before the next is due is left out.
    ranked = frame.assign(alarmed_at=pd.Series(pd.NaT, index=frame.index, dtype=utc), rank=1.0)
    return ranked.assign(lapses=ranked["earliest"] + every)


def _assign_days(requests: pd.DataFrame, places: int, until: pd.Timestamp) -> "pd.Series[pd.Timestamp]":
    """Give each request a place on the first day on which no more urgent one takes it; null where none does."""
    earliest, lapses = (_micros(requests[name]) for name in ("earliest", "lapses"))
    visited = np.full(len(requests), -1, dtype=np.int64)
    arriving: dict[int, list[int]] = defaultdict(list)
    for number, day in enumerate(earliest // _US_A_DAY):
        arriving[int(day)].append(number)
    waiting: list[tuple[float, int]] = []
    rank = requests["rank"].to_numpy()
    last = int(_micros(pd.Series([until]))[0] // _US_A_DAY)
    for day in range(min(arriving, default=last + 1), last + 1):
        taken = 0
        while waiting and taken < places:
            number = heapq.heappop(waiting)[1]
            if day * _US_A_DAY <= lapses[number]:
                visited[number] = day * _US_A_DAY
                taken += 1
        # What comes in during the day gets the places that the morning left, in its order.
        for number in sorted(arriving.get(day, ()), key=lambda each: (earliest[each], rank[each])):
            if taken < places:
                visited[number] = earliest[number]
                taken += 1
            else:
                heapq.heappush(waiting, (float(rank[number]), number))
    times = pd.Series(pd.to_datetime(visited, unit="us", utc=True), index=requests.index).astype("datetime64[us, UTC]")
    return times.where(visited >= 0)


def _micros(times: "pd.Series[pd.Timestamp]") -> Times:
    return np.asarray(times.dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64))
