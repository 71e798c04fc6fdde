"""The frozen period on which models are compared: later than what either was trained on, matured, with its events."""

from dataclasses import dataclass

import pandas as pd

from data_contracts.tables.history import History
from features.telemetry.windows import cut_offs
from models.outcomes.outcomes import Terms, known_failures
from models.retraining.counterfactual_outcomes import announced, confirmed_defects


@dataclass(frozen=True)
class Period:
    """What both are judged on.

    Parameters
    ----------
    start, end : pd.Timestamp
        The period (start, end] of cut-offs and events.
    asked : pd.DataFrame
        Columns asset, as_of: the cut-offs.
    events : pd.DataFrame
        Columns asset, event_time, confirmed: what was to be announced.
    sentences : tuple of str
        What is to be said of the period, such as that it was cut.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    asked: pd.DataFrame
    events: pd.DataFrame
    sentences: tuple[str, ...]


def period_after(
    history: History,
    trained_until: pd.Timestamp,
    *,
    start: pd.Timestamp,
    now: pd.Timestamp,
    stride: pd.Timedelta,
    terms: Terms,
) -> Period:
    """Cut the period out that nobody was trained on, with its cut-offs and events; no model is needed for that.

    Parameters
    ----------
    history : History
        Everything known by now about the assets.
    trained_until : pd.Timestamp
        The last training cut-off of all who are to be judged on it.
    start : pd.Timestamp
        The period begins here, or later if the training data reach further.
    now : pd.Timestamp
        The period ends where outcomes have matured by now.
    stride : pd.Timedelta
        Between cut-offs.
    terms : Terms
        Lead, horizon, gap and reporting delay.

    Returns
    -------
    Period
        Without cut-offs when nothing has matured.
    """
    # The purge: what the last training label looked at belongs to the training data.
    first, last = max(start, trained_until + terms.claim), now - terms.maturity
    said: tuple[str, ...] = (
        (
            f"Training has seen a part of the period from {start:%Y-%m-%d %H:%M} on, so it begins on "
            f"{first:%Y-%m-%d %H:%M}, where the training data of both have ended.",
        )
        if first > start
        else ()
    )
    asked = _cut_offs(history, stride, first, last)
    if asked.empty:
        said += (f"No decision after {first:%Y-%m-%d %H:%M} has matured by now, so there is nothing to compare on.",)
    events = judged_events(history, asked, start=first, now=now, terms=terms)
    return Period(first, max(first, last), asked, events, said)


def short_holdout(
    history: History, *, usual: pd.Timedelta, events: int, now: pd.Timestamp, terms: Terms
) -> pd.Timedelta:
    """Return the shortest holdout with enough events to see a great difference on.

    What is held out cannot be learned from. While the champion drifts, that is the very part that matters, and the
    challenger that has learned from it is better by far: a few events show it.

    Parameters
    ----------
    history : History
        Its failures and work orders are used.
    usual : pd.Timedelta
        The longest it may be.
    events : int
        Failures and confirmed defects that must have matured in it.
    now : pd.Timestamp
        Its end; nothing known later is used.
    terms : Terms
        Lead, horizon and reporting delay.

    Returns
    -------
    pd.Timedelta
        Whole days; the usual one where it holds no more events than asked for.
    """
    failed = known_failures(history.failures, now)[["asset", "event_time"]]
    both = pd.concat([failed, confirmed_defects(history.work_orders, now)[["asset", "event_time"]]]).drop_duplicates()
    ripe = both[both["event_time"] <= now - terms.maturity].sort_values("event_time")
    if len(ripe) < events:
        return usual
    shortest: pd.Timedelta = (now - pd.Timestamp(ripe["event_time"].iloc[-events])).ceil("D")
    return min(usual, shortest)


def judged_events(
    history: History, asked: pd.DataFrame, *, start: pd.Timestamp, now: pd.Timestamp, terms: Terms
) -> pd.DataFrame:
    """Return what both have to announce: failures, and defects confirmed by mechanics.

    Parameters
    ----------
    history : History
        Its failures and work orders are used.
    asked : pd.DataFrame
        Columns asset, as_of: the cut-offs; events that none of them could have announced are left out.
    start : pd.Timestamp
        Events after this, up to those whose alerts have all matured by `now`.
    now : pd.Timestamp
        Nothing known later is used.
    terms : Terms
        Lead, horizon and reporting delay.

    Returns
    -------
    pd.DataFrame
        Columns asset, event_time, confirmed: whether it is a confirmed defect.
    """
    failed = known_failures(history.failures, now).assign(confirmed=False)
    found = confirmed_defects(history.work_orders, now).assign(confirmed=True)
    events = pd.concat([failed, found], ignore_index=True).drop_duplicates(["asset", "event_time"])
    inside = (events["event_time"] > start) & (events["event_time"] <= now - terms.maturity)
    events = events[inside].sort_values(["asset", "event_time"], ignore_index=True).astype({"confirmed": bool})
    return events[announced(events, asked, terms)].reset_index(drop=True)


def _cut_offs(history: History, stride: pd.Timedelta, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    if end <= start:
        return pd.DataFrame({"asset": [], "as_of": []})
    asked = cut_offs(history, stride, start=start, end=end)
    return asked[(asked["as_of"] > start) & (asked["as_of"] <= end)].reset_index(drop=True)
