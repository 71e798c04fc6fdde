"""Reports of work as visits: a visit that two systems report counts once.

What a mechanic found on an alarm may be entered by button and booked in a maintenance system too: two work orders under
different numbers. Reports that go back to one alarm are one visit if any of them names an alert of it
(``prediction_id``), for whoever enters a report by hand or from a notification of ours names one. Two that name none
come from one system, which does not number one visit twice: an inspection, and a repair after it, stay two. Without
the alarms, reports that name one alert are of one alarm, and one that names none is of the nearest that is named,
within what an alarm claims.

A visit has the strongest finding of its reports (a defect confirmed, no fault found, not inspected, none reported) with
the time of the first report that has it. Of each quantity it took the largest that a report states: what both state is
counted once, what one of them alone states is kept.
"""

from typing import Any

import numpy as np
import pandas as pd

ALERT = "prediction_id"
_STRONGEST_FIRST = ("defect_confirmed", "no_fault_found", "not_inspected")


def named_alerts(work: pd.DataFrame) -> "pd.Series[Any]":
    """Return the prediction that each report names, if any; tables from before it was reported go without."""
    none = pd.Series(None, index=work.index, dtype="object")
    return work[ALERT].astype("object").where(work[ALERT].notna(), None) if ALERT in work.columns else none


def reported_visits(work: pd.DataFrame, claim: pd.Timedelta) -> pd.DataFrame:
    """Return interventions (`models.labels.labels.interventions`) with those that one alarm prompted as visits.

    Audits stay as they are: no alarm prompted them.
    """
    alert, by_alarm = named_alerts(work), work["prompted_by"].eq("alarm").fillna(value=False).astype(bool)
    own = pd.Series(np.arange(len(work)), index=work.index)
    named, unnamed = by_alarm & alert.notna(), by_alarm & alert.isna()
    if not named.any():
        return work
    of_alert = own[named].groupby([work.loc[named, "asset"], alert[named]]).transform("min")
    times = work.loc[named, ["asset", "event_time"]].assign(visit=of_alert).sort_values("event_time")
    others = work.loc[unnamed, ["asset", "event_time"]].assign(row=own[unnamed]).sort_values("event_time")
    nearest = pd.merge_asof(others, times, on="event_time", by="asset", direction="nearest", tolerance=claim)
    visit = own.to_numpy(copy=True)
    visit[own[named].to_numpy()] = of_alert.to_numpy()
    visit[nearest["row"].to_numpy()] = nearest["visit"].fillna(nearest["row"]).to_numpy(dtype=np.int64)
    return merge_reports(work, pd.Series(visit, index=work.index))


def merge_reports(work: pd.DataFrame, visit: "pd.Series[int]", quantities: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return one row a visit, sorted by asset and time, given the number of each report's visit."""
    if not visit.duplicated().any():
        return work
    strength = {finding: place for place, finding in enumerate(_STRONGEST_FIRST)}
    ranked = work.assign(
        visit=visit, strength=work["finding"].astype("object").map(strength).fillna(len(strength)).astype(np.int64)
    )
    ranked = ranked.sort_values(["visit", "strength", "event_time", "work_order_id"], kind="stable")
    # What the strongest report leaves empty, such as the component, another may say.
    first = ranked.groupby("visit")[list(work.columns)].first()
    for name in quantities:
        first[name] = ranked.groupby("visit")[name].max()
    return first.astype(work.dtypes.to_dict()).sort_values(["asset", "event_time"], ignore_index=True)
