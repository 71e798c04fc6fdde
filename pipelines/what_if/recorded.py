"""What the record says besides failures: how long machines stood, how soon crews came, how often routine work was."""

import pandas as pd

from models.backtesting.outcome_sources import OutcomeSources
from models.outcomes.episodes import merge_alerts, number_alerts
from models.outcomes.outcomes import Terms, known_work_orders
from models.what_if.potential_failures import NO_MODE

_HOUR = pd.Timedelta(hours=1)
FEWEST = 10
"""A median or mean of fewer events than these is not taken."""


def hours_stood(potential: pd.DataFrame, sources: OutcomeSources) -> float | None:
    """Return how long machines stood after a failure, on average: until its repair was booked; None if unknown."""
    orders = known_work_orders(sources.work_orders, sources.at)
    repairs = orders[orders["kind"].eq("corrective") & orders["prompted_by"].eq("failure")]
    failed = potential[potential["happened"]]
    if failed.empty or repairs.empty:
        return None
    joined = pd.merge_asof(
        failed[["asset", "event_time"]].sort_values("event_time"),
        repairs[["asset", "event_time"]].assign(repaired=repairs["event_time"]).sort_values("event_time"),
        on="event_time",
        by="asset",
        direction="forward",
    )
    hours = pd.to_timedelta(joined["repaired"] - joined["event_time"]).dropna() / _HOUR
    # A repair weeks later is of another failure.
    hours = hours[hours <= 14 * 24]
    return float(hours.mean()) if len(hours) >= FEWEST else None


def measured_response(alerts: pd.DataFrame, terms: Terms, sources: OutcomeSources) -> tuple[pd.Timedelta, int] | None:
    """Return the median time from an alarm to the visit it prompted, and of how many; None where too few are known."""
    orders = known_work_orders(sources.work_orders, sources.at)
    visits = orders.loc[orders["prompted_by"].eq("alarm"), ["asset", "event_time"]]
    if visits.empty or alerts.empty:
        return None
    opened = merge_alerts(number_alerts(alerts, terms))[["asset", "opened"]].sort_values("opened")
    visits = visits.assign(visited=visits["event_time"]).sort_values("event_time")
    joined = pd.merge_asof(
        opened, visits, left_on="opened", right_on="event_time", by="asset", direction="forward", tolerance=terms.claim
    )
    waited = (joined["visited"] - joined["opened"]).dropna()
    return (pd.Timedelta(waited.median()).round("min").as_unit("us"), len(waited)) if len(waited) >= FEWEST else None


def routine_every(sources: OutcomeSources) -> pd.Timedelta | None:
    """Return the median time between the routine work of an asset, as last corrected; None where it had none twice."""
    orders = known_work_orders(sources.work_orders, sources.at)
    routine = orders[orders["kind"].eq("routine")]
    times = routine.sort_values("event_time").groupby("asset")["event_time"].diff().dropna()
    return pd.Timedelta(times.median()) if len(times) else None


def part_renewals(potential: pd.DataFrame, sources: OutcomeSources) -> pd.DataFrame:
    """Return asset, event_time, mode, failed and routine: when parts were renewed, and why."""
    orders = known_work_orders(sources.work_orders, sources.at)
    routine = (
        orders[orders["kind"].eq("routine") & orders["component"].notna()] if "component" in orders else orders[:0]
    )
    columns = ["asset", "event_time", "mode", "failed", "routine"]
    ended = potential.assign(failed=True, routine=False)[columns]
    if not len(routine):
        return ended
    renewed = routine.rename(columns={"component": "mode"}).assign(failed=False, routine=True)[columns]
    known = set(ended["mode"]) - {NO_MODE}
    both = pd.concat([ended, renewed[renewed["mode"].isin(known)]], ignore_index=True)
    return both.astype({"asset": "str", "mode": "str", "failed": bool, "routine": bool})
