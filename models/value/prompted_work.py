"""The work that alarms prompted, each visit with its alarm."""

import numpy as np
import pandas as pd

from models.labels.labels import interventions
from models.outcomes.episodes import Terms, normalize_types
from models.outcomes.outcomes import known_work_orders
from models.outcomes.reported_visits import merge_reports, named_alerts

ALERTS = "alerts"
"""The column of alarms that holds the ids of their alerts, a tuple each."""


def prompted_work(
    work_orders: pd.DataFrame,
    quantities: pd.DataFrame,
    alarms: pd.DataFrame,
    *,
    now: pd.Timestamp,
    terms: Terms,
) -> tuple[pd.DataFrame, "pd.Series[pd.Timestamp]"]:
    """Return the visits that alarms prompted, each with its alarm, and the times of the work of which none is known.

    A work order that names an alert belongs to its alarm, one held back too: somebody came all the same. Any other one
    belongs to the latest announced alarm of its asset that opened before it, unless that had matured: its claim was
    over and the time in which reports of it count. By time alone none belongs to an alarm that was held back, of which
    nobody knew. Several reports of one visit are merged as `models.outcomes.reported_visits` says. `quantities` has the
    columns asset, work_order_id and what each order took.
    """
    orders = interventions(known_work_orders(work_orders, now))
    orders = orders[orders["prompted_by"].eq("alarm")].reset_index(drop=True)
    named = named_alerts(orders)
    columns = [name for name in quantities.columns if name not in ("asset", "work_order_id")]
    orders = orders[["asset", "work_order_id", "event_time", "finding"]]
    orders = orders.merge(quantities, on=["asset", "work_order_id"], how="left", validate="1:1")
    alarm = _by_alert(orders, named, alarms)
    alarm = alarm.fillna(_by_time(orders, alarms[~alarms["held_back"]], terms))
    rows = orders.assign(alarm=alarm, named=named.notna())[alarm.notna()].astype({"alarm": "int64"})
    names_one = rows.groupby("alarm")["named"].transform("any").to_numpy(dtype=bool)
    own = len(alarms) + np.arange(len(rows))
    visit = pd.Series(np.where(names_one, rows["alarm"], own), index=rows.index)
    return merge_reports(rows.drop(columns="named"), visit, tuple(columns)), orders.loc[alarm.isna(), "event_time"]


def _by_alert(orders: pd.DataFrame, named: "pd.Series[str]", alarms: pd.DataFrame) -> "pd.Series[float]":
    """Return the alarm whose alert each order names; an alert of another asset is none of its own."""
    alerts = alarms[["asset", ALERTS]].explode(ALERTS).dropna().reset_index(names="alarm")
    alerts = alerts.drop_duplicates(["asset", ALERTS]).astype({ALERTS: "object"})
    keys = pd.DataFrame({"asset": orders["asset"], ALERTS: named.astype("object")})
    # Missing ids would be joined with one another: there are none on the right.
    return keys.merge(alerts, on=["asset", ALERTS], how="left")["alarm"].set_axis(orders.index).astype(np.float64)


def _by_time(orders: pd.DataFrame, announced: pd.DataFrame, terms: Terms) -> "pd.Series[float]":
    opened = announced[["asset", "opened", "until"]].reset_index(names="alarm").sort_values("opened")
    rows = normalize_types(orders[["asset", "event_time"]], "event_time").assign(row=np.arange(len(orders)))
    joined = pd.merge_asof(
        rows.sort_values("event_time"),
        opened,
        left_on="event_time",
        right_on="opened",
        by="asset",
        allow_exact_matches=False,
    ).sort_values("row")
    in_time = joined["event_time"] <= joined["until"] + terms.reporting_delay
    return joined["alarm"].where(in_time).set_axis(orders.index).astype(np.float64)
