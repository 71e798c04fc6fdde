"""Alarms whose claim is over, with what happened to each: held back or announced, worked on, followed by a failure.

They are not the open alarms of `models.alarms`: what acting avoided is counted over alarms as they were drawn, also
those held back, once they have matured.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_contracts.tables.corrections import in_order_of_correction
from models.hold_back.acting_effect import alarms_of
from models.labels.breakdowns import first_booked
from models.labels.labels import known_rows
from models.outcomes.episodes import Terms, merge_alerts, normalize_types, number_alerts
from models.outcomes.reported_visits import ALERT
from models.outcomes.stratum_counts import NOT_RECORDED, Membership
from models.value.prompted_work import ALERTS, prompted_work

QUANTITIES = ("downtime_hours", "labour_hours", "parts_cost", "energy_kwh")
"""The columns in which failures and work orders may record what they took."""


@dataclass(frozen=True)
class AlarmHistory:
    """Alarms with their outcomes, and what failures and work took where that is recorded.

    Parameters
    ----------
    alarms
        Columns asset, opened, until, share (0 where nothing was drawn), held_back, failed (a failure followed within
        the claim), acted_on, defects (confirmed), plant, month ("2026-03").
    failures
        Columns asset, event_time, plant and `QUANTITIES`, NaN where not recorded; a row a breakdown.
    orders
        The visits prompted by alarms: asset, event_time, plant, finding, kind ("inspection" where no fault was found,
        "none" where nobody inspected, else "repair"), alarm (the index of its alarm) and `QUANTITIES`.
    pending
        Alarms whose claim is not over, or whose failures may not be reported yet; they are in no table.
    unassigned
        Work orders prompted by alarms that belong to none of these; they are in no table.
    """

    alarms: pd.DataFrame
    failures: pd.DataFrame
    orders: pd.DataFrame
    pending: int = 0
    unassigned: int = 0

    def of_plant(self, plant: str) -> "AlarmHistory":
        """Return what belongs to a plant."""
        alarms, failures, orders = (
            frame[frame["plant"] == plant] for frame in (self.alarms, self.failures, self.orders)
        )
        return AlarmHistory(alarms, failures, orders, self.pending, self.unassigned)


def undrawn_alarms(alerts: pd.DataFrame, terms: Terms) -> pd.DataFrame:
    """Merge alerts (asset, as_of, and prediction_id if known) for which nothing was drawn into alarms with share 0.

    The columns are asset, opened, until, share, held_back and alerts, the ids of theirs.
    """
    numbered = number_alerts(alerts[["asset", "as_of"]].assign(alert=True), terms)
    merged = merge_alerts(numbered)
    alarms = merged[["asset", "opened"]].assign(until=merged["opened"] + terms.claim, share=0.0, held_back=False)
    opened = numbered.assign(opened=numbered.groupby("episode")["as_of"].transform("min"))
    typed = normalize_types(alerts, "as_of").merge(opened, on=["asset", "as_of"])
    return _with_alerts(alarms, typed)


def _with_alerts(alarms: pd.DataFrame, alerts: pd.DataFrame) -> pd.DataFrame:
    """Add the ids of the alerts (asset, opened, prediction_id) of each alarm; none where they are not known."""
    if ALERT not in alerts.columns or alerts.empty:
        return alarms.assign(**{ALERTS: pd.Series([()] * len(alarms), index=alarms.index, dtype="object")})
    ids = alerts.dropna(subset=[ALERT]).groupby(["asset", "opened"])[ALERT].agg(tuple).rename(ALERTS)
    joined = alarms.join(ids.astype("object"), on=["asset", "opened"])
    return joined.assign(**{ALERTS: joined[ALERTS].map(lambda each: each if isinstance(each, tuple) else ())})


def alarm_history(
    draws: pd.DataFrame,
    undrawn: pd.DataFrame,
    failures: pd.DataFrame,
    work_orders: pd.DataFrame,
    *,
    assets: pd.DataFrame,
    now: pd.Timestamp,
    terms: Terms,
    since: pd.Timestamp | None = None,
    until: pd.Timestamp | None = None,
    time_zone: str = "UTC",
) -> AlarmHistory:
    """Join alarms opened in [since, until) with the failures and work orders known at `now`.

    `draws` as `data_contracts.records.draw_records.alarm_draws` reads them, `undrawn` as `undrawn_alarms` returns them;
    `assets` are the records that say which plant an asset stands in; months are those of a time zone.
    """
    drawn = draws[(draws["as_of"] <= now) & (draws["share"] > 0)]
    drawn_alarms = _with_alerts(alarms_of(drawn), normalize_types(drawn, "opened"))
    alarms = pd.concat([drawn_alarms, undrawn], ignore_index=True)
    alarms = normalize_types(alarms, "opened", "until")
    alarms = alarms.astype({"held_back": bool}).sort_values(["opened", "asset"], ignore_index=True)
    membership = Membership.of(assets, "plant") if "plant" in assets.columns and len(assets) else None
    recorded = _recorded_failures(failures, work_orders, now, terms.breakdown)
    orders, unassigned = _prompted_by_alarms(work_orders, now, alarms, terms)
    alarms = alarms.assign(
        failed=_followed(alarms, recorded),
        acted_on=alarms.index.isin(orders.loc[orders["finding"].ne("not_inspected"), "alarm"]),
        defects=alarms.index.isin(orders.loc[orders["finding"].eq("defect_confirmed"), "alarm"]),
        plant=_plants(alarms, "opened", membership),
        month=alarms["opened"].dt.tz_convert(time_zone).dt.strftime("%Y-%m"),
    )
    begins, ends = since or pd.Timestamp.min.tz_localize("UTC"), until or pd.Timestamp.max.tz_localize("UTC")
    inside = (alarms["opened"] >= begins) & (alarms["opened"] < ends)
    matured = alarms["until"] + terms.reporting_delay <= now
    kept = alarms[inside & matured]
    happened = recorded[(recorded["event_time"] >= begins) & (recorded["event_time"] < ends)]
    return AlarmHistory(
        kept,
        happened.assign(plant=_plants(happened, "event_time", membership)),
        orders[orders["alarm"].isin(kept.index)].assign(plant=lambda rows: rows["alarm"].map(kept["plant"])),
        int((inside & ~matured).sum()),
        # Work from before the first alarm was prompted by other means of watching.
        int(((unassigned >= max(begins, alarms["opened"].min())) & (unassigned < ends)).sum()) if len(alarms) else 0,
    )


def _plants(rows: pd.DataFrame, time: str, membership: Membership | None) -> "pd.Series[str]":
    if membership is None or rows.empty:
        return pd.Series(NOT_RECORDED, index=rows.index, dtype="str")
    return membership.at(rows, time)


def _followed(alarms: pd.DataFrame, failures: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Mark the alarms followed by a failure of their asset in (opened, until]."""
    events = failures[["asset", "event_time"]].sort_values("event_time").assign(failed_at=lambda e: e["event_time"])
    ordered = alarms.reset_index(names="alarm")[["alarm", "asset", "opened", "until"]].sort_values("opened")
    first = pd.merge_asof(
        ordered,
        events,
        left_on="opened",
        right_on="event_time",
        by="asset",
        direction="forward",
        allow_exact_matches=False,
    )
    return np.asarray(alarms.index.isin(first.loc[first["failed_at"] <= first["until"], "alarm"]), dtype=np.bool_)


def _recorded_failures(
    failures: pd.DataFrame, work_orders: pd.DataFrame, now: pd.Timestamp, breakdown: pd.Timedelta
) -> pd.DataFrame:
    """Return a row a breakdown: what it is recorded to have taken, or else the work that it prompted."""
    booked = _with_quantities(failures, "failure_id", now)
    booked = first_booked(normalize_types(booked, "event_time"), breakdown)
    own = booked.groupby(["asset", "event_time"], as_index=False)[list(QUANTITIES)].max()
    orders = _with_quantities(work_orders, "work_order_id", now)
    orders = normalize_types(orders[orders["prompted_by"].eq("failure").fillna(False)], "event_time")
    rows = own[["asset", "event_time"]].assign(row=np.arange(len(own)))
    after = pd.merge_asof(orders.sort_values("event_time"), rows.sort_values("event_time"), on="event_time", by="asset")
    taken = after.groupby("row")[list(QUANTITIES)].sum(min_count=1).reindex(range(len(own)))
    return own.fillna(taken)


def _prompted_by_alarms(
    work_orders: pd.DataFrame, now: pd.Timestamp, alarms: pd.DataFrame, terms: Terms
) -> tuple[pd.DataFrame, "pd.Series[pd.Timestamp]"]:
    """Return the visits that alarms prompted, with what was done, and the times of the work that belongs to none."""
    taken = _with_quantities(work_orders, "work_order_id", now)[["asset", "work_order_id", *QUANTITIES]]
    visits, unassigned = prompted_work(work_orders, taken.astype({"asset": "str"}), alarms, now=now, terms=terms)
    visits["kind"] = np.select(
        [visits["finding"].eq("no_fault_found"), visits["finding"].eq("not_inspected")],
        [np.str_("inspection"), np.str_("none")],
        np.str_("repair"),
    )
    return visits, unassigned


def _with_quantities(frame: pd.DataFrame, key: str, now: pd.Timestamp) -> pd.DataFrame:
    """Return the latest known row of each, with each quantity as last recorded: a report without one clears none."""
    missing = {name: np.nan for name in QUANTITIES if name not in frame.columns}
    known = frame[frame["known_time"] <= now].assign(**missing).astype(dict.fromkeys(QUANTITIES, "float64"))
    last = in_order_of_correction(known, ["asset", key]).groupby(["asset", key])[list(QUANTITIES)].last()
    return known_rows(known, key, now).drop(columns=list(QUANTITIES)).join(last, on=["asset", key])
