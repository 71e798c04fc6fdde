"""What repairs have taken: how often a part was needed week by week, and in which share of the failures."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.labels.breakdowns import LONGEST, first_bookings
from models.labels.labels import interventions, known_rows
from models.parts.intermittent import Vector, tsb_rate

WEEK = pd.Timedelta(days=7)
_CONFIRMED = "defect_confirmed"


@dataclass(frozen=True)
class PastUse:
    """How often a part was needed, by experience."""

    repairs: int  # that took it
    weeks: int  # over which they are counted
    per_week: float  # by the method of Teunter, Syntetos and Babai


def known_repairs(failures: pd.DataFrame, work_orders: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the repairs known at a time: asset, event_time and mode, sorted by all three.

    A failure is one of each of its modes, however often it was booked within a day; so is a defect that an inspection
    confirmed after an alarm or an audit, which was repaired before it became a failure. Routine work, which is planned
    long before, is none.
    """
    failed = known_rows(failures, "failure_id", as_of)
    orders = known_rows(work_orders, "work_order_id", as_of)
    found = interventions(orders) if len(orders) else orders
    found = found[found["finding"].eq(_CONFIRMED).fillna(False)].rename(columns={"component": "mode"})
    names = ["asset", "event_time", "mode"]
    both = pd.concat([failed[names], found[names]]).dropna()
    both = both[both["event_time"] <= as_of]
    repairs = [first_bookings(rows, LONGEST) for _, rows in both.groupby("mode")]
    return pd.concat([both.iloc[:0], *repairs]).sort_values(names, ignore_index=True)


def mode_share(repairs: pd.DataFrame, assets: Collection[str], modes: Collection[str]) -> tuple[float | None, int]:
    """Return the share of the assets' failures that had one of some modes, and how many failures it is measured on.

    Modes that show within a day of each other are of one failure. None where the assets have had no failure.
    """
    own = repairs[repairs["asset"].isin(assets)]
    of_any = len(first_bookings(own[["asset", "event_time"]], LONGEST))
    of_modes = len(first_bookings(own.loc[own["mode"].isin(modes), ["asset", "event_time"]], LONGEST))
    return (min(1.0, of_modes / of_any), of_any) if of_any else (None, 0)


def past_use(
    repairs: pd.DataFrame,
    assets: Collection[str],
    modes: Collection[str],
    *,
    since: pd.Timestamp | None,
    as_of: pd.Timestamp,
    memory: float,
) -> PastUse:
    """Return how often assets needed a part of some modes, in whole weeks up to `as_of`, the first after `since`."""
    own = repairs[repairs["asset"].isin(assets) & repairs["mode"].isin(modes)]
    # Several modes of one part that show at once are one repair.
    times = first_bookings(own[["asset", "event_time"]], LONGEST)["event_time"]
    weekly = weekly_counts(times, since=since, as_of=as_of)
    return PastUse(len(times), len(weekly), tsb_rate(weekly, memory, memory).per_period if len(weekly) else 0.0)


def weekly_counts(times: "pd.Series[pd.Timestamp]", *, since: pd.Timestamp | None, as_of: pd.Timestamp) -> Vector:
    """Count times in whole weeks that end at `as_of`, the earliest first, shape (n_weeks,)."""
    if since is None or since >= as_of:
        return np.zeros(0)
    weeks = max(1, round((as_of - since) / WEEK))
    ago = ((as_of - times) // WEEK).to_numpy(dtype=np.int64)
    return np.bincount(ago[(ago >= 0) & (ago < weeks)], minlength=weeks)[::-1].astype(np.float64)
