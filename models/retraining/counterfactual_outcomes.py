"""Judging the alarms of a model that nobody acted on, beside those of one that somebody did.

Mechanics follow the champion's alarms, never the challenger's. So an alarm that only the challenger raised is not false
because nobody acted on it, and neither model's alarm is false because nobody looked. The rule, the same for both:

- A failure within the claim makes an episode true.
- Work within the claim is judged by its finding, whatever prompted it: a confirmed defect makes the episode true, and
  is an event that both had to announce; no fault found makes it false; an inspection or repair without a finding leaves
  it unknown, which counts for neither side. Routine work without a finding changes nothing.
- An episode that ran to the end of its claim without failure and without such work is false. That is fair: nobody
  intervened, so a real defect would have become a failure.

Work that a failure prompted is no intervention: it came after the failure.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from models.labels.labels import interventions
from models.outcomes.outcomes import Outcomes, Terms, in_claim_window, known_work_orders

_NOT_OTHERS = ("alarm", "failure")


def confirmed_defects(work_orders: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """Return the defects that mechanics confirmed, sent by an alarm or on an occasion of their own.

    Parameters
    ----------
    work_orders : pd.DataFrame
        Columns work_order_id, asset, event_time, known_time, kind, finding, prompted_by.
    now : pd.Timestamp
        Nothing known later is used.

    Returns
    -------
    pd.DataFrame
        Columns asset, event_time.
    """
    orders = known_work_orders(work_orders, now)
    looked = pd.concat([interventions(orders), _work_of_others(orders)])
    return looked.loc[looked["finding"].eq("defect_confirmed").fillna(False), ["asset", "event_time"]].drop_duplicates()


def settle_by_all_work(known: Outcomes, work_orders: pd.DataFrame) -> Outcomes:
    """Judge false episodes again by the work of others.

    Parameters
    ----------
    known : Outcomes
        What became of one model's predictions, by failures and by work that alarms prompted.
    work_orders : pd.DataFrame
        All of them; rows known after `known.now` are not looked at.

    Returns
    -------
    Outcomes
        Episodes that are "fp" in `known` may be "tp_prevented" or "unknown" in it; the rest is as it was.
    """
    others = _work_of_others(known_work_orders(work_orders, known.now))
    episodes = known.episodes
    doubtful = episodes[episodes["state"] == "fp"]
    if doubtful.empty or others.empty:
        return known
    # Only alerts that have matured may speak, as for every outcome.
    closes = (
        doubtful["closed"].where(doubtful["closed"] <= known.matured_until, known.matured_until) + known.terms.claim
    )
    pairs = doubtful.assign(closes=closes, row=doubtful.index)[["row", "asset", "opened", "closes"]].merge(
        others[["asset", "event_time", "finding"]], on="asset"
    )
    within = pairs[(pairs["event_time"] > pairs["opened"]) & (pairs["event_time"] <= pairs["closes"])]
    finding = within["finding"].astype("object").where(within["finding"].notna(), "")
    confirmed, none = finding == "defect_confirmed", finding == "no_fault_found"
    state = episodes["state"].to_numpy(dtype=object).copy()
    rows = episodes.index.to_numpy()
    unreported_share = set(within.loc[~confirmed & ~none, "row"]) - set(within.loc[none, "row"])
    state[np.isin(rows, list(unreported_share))] = "unknown"
    state[np.isin(rows, list(within.loc[confirmed, "row"]))] = "tp_prevented"
    return replace(known, episodes=episodes.assign(state=pd.Series(state, index=episodes.index, dtype="str")))


def announced(events: pd.DataFrame, decisions: pd.DataFrame, terms: Terms) -> "pd.Series[bool]":
    """Say which events at least one of the decisions could announce in time.

    The lead is asked for before failures only: what mechanics found in time was found in time.

    Parameters
    ----------
    events : pd.DataFrame
        Columns asset, event_time, confirmed: whether it is a confirmed defect.
    decisions : pd.DataFrame
        Columns asset, as_of.
    terms : Terms
        Lead and horizon.

    Returns
    -------
    pd.Series of bool
        Aligned to events.
    """
    at_once = replace(terms, lead=pd.Timedelta(0).as_unit("us"), horizon=terms.claim)
    timely = in_claim_window(events, decisions, terms)
    return timely | (events["confirmed"] & in_claim_window(events, decisions, at_once))


def _work_of_others(orders: pd.DataFrame) -> pd.DataFrame:
    others = orders["prompted_by"].notna() & ~orders["prompted_by"].isin(_NOT_OTHERS)
    tells = orders["finding"].isin(["defect_confirmed", "no_fault_found"]) | orders["kind"].ne("routine")
    return orders[others & tells]
