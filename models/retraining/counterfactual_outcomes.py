"""Outcomes of alarms that nobody acted on, comparable with those of alarms that were acted on.

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
    """Return asset, event_time of defects that mechanics confirmed, whatever prompted the work, as known at `now`."""
    orders = known_work_orders(work_orders, now)
    work = pd.concat([interventions(orders), _other_work(orders)])
    return work.loc[work["finding"].eq("defect_confirmed").fillna(False), ["asset", "event_time"]].drop_duplicates()


def reclassify_by_other_work(known: Outcomes, work_orders: pd.DataFrame) -> Outcomes:
    """Reclassify false alarm episodes by work that no alarm prompted, as far as it was known at `known.now`.

    Episodes that are "fp" may become "tp_prevented" or "unknown"; all else stays.
    """
    others = _other_work(known_work_orders(work_orders, known.now))
    episodes = known.episodes
    doubtful = episodes[episodes["state"] == "fp"]
    if doubtful.empty or others.empty:
        return known
    # Only matured alerts count, as for every outcome.
    closes = (
        doubtful["closed"].where(doubtful["closed"] <= known.matured_until, known.matured_until) + known.terms.claim
    )
    pairs = doubtful.assign(closes=closes, row=doubtful.index)[["row", "asset", "opened", "closes"]].merge(
        others[["asset", "event_time", "finding"]], on="asset"
    )
    within = pairs[(pairs["event_time"] > pairs["opened"]) & (pairs["event_time"] <= pairs["closes"])]
    finding = within["finding"].astype("object").where(within["finding"].notna(), "")
    confirmed, no_fault = finding == "defect_confirmed", finding == "no_fault_found"
    state = episodes["state"].to_numpy(dtype=object).copy()
    rows = episodes.index.to_numpy()
    unreported = set(within.loc[~confirmed & ~no_fault, "row"]) - set(within.loc[no_fault, "row"])
    state[np.isin(rows, list(unreported))] = "unknown"
    state[np.isin(rows, list(within.loc[confirmed, "row"]))] = "tp_prevented"
    return replace(known, episodes=episodes.assign(state=pd.Series(state, index=episodes.index, dtype="str")))


def announced(events: pd.DataFrame, decisions: pd.DataFrame, terms: Terms) -> "pd.Series[bool]":
    """Return, for each event, whether at least one of the decisions (asset, as_of) could announce it in time.

    The lead is required before failures only: a defect that mechanics confirmed was found in time, however late.
    """
    at_once = replace(terms, lead=pd.Timedelta(0).as_unit("us"), horizon=terms.claim)
    timely = in_claim_window(events, decisions, terms)
    return timely | (events["confirmed"] & in_claim_window(events, decisions, at_once))


def _other_work(orders: pd.DataFrame) -> pd.DataFrame:
    others = orders["prompted_by"].notna() & ~orders["prompted_by"].isin(_NOT_OTHERS)
    informative = orders["finding"].isin(["defect_confirmed", "no_fault_found"]) | orders["kind"].ne("routine")
    return orders[others & informative]
