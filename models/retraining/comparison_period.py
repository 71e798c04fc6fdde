"""The frozen period on which models are compared: after the training data of both, matured, with its events."""

from dataclasses import dataclass

import pandas as pd

from data_contracts.tables.history import History
from models.labels.observed_cut_offs import ObservationRule, observed_cut_offs
from models.outcomes.outcomes import Terms, known_failures
from models.retraining.counterfactual_outcomes import announced, confirmed_defects


@dataclass(frozen=True)
class Period:
    """The decisions and events that both models are compared on."""

    start: pd.Timestamp  # the period (start, end] of cut-offs and events
    end: pd.Timestamp
    cut_offs: pd.DataFrame  # columns asset, as_of
    events: pd.DataFrame  # columns asset, event_time, confirmed; what was to be announced
    notes: tuple[str, ...]  # sentences on the period, such as that it was shortened


def period_after(
    history: History,
    trained_until: pd.Timestamp,
    *,
    start: pd.Timestamp,
    now: pd.Timestamp,
    stride: pd.Timedelta | None,
    terms: Terms,
    rule: ObservationRule,
) -> Period:
    """Return the period that no model was trained on, with its cut-offs and events; no model is needed for that.

    Cut-offs are those at which assets were observed by the rule: a stride apart or, without one, at the readings. It
    begins at `start`, or later if the training data (up to the cut-off `trained_until`, the last of all models) reach
    further, and ends where outcomes have matured by `now`. Without cut-offs if nothing has matured.
    """
    # The purge: the span of the last training label belongs to the training data.
    first, last = max(start, trained_until + terms.claim), now - terms.maturity
    notes: tuple[str, ...] = (
        (
            f"The training data reach into the period from {start:%Y-%m-%d %H:%M} on, so it begins on "
            f"{first:%Y-%m-%d %H:%M}, after the training data of both models.",
        )
        if first > start
        else ()
    )
    times = _cut_offs(history, stride, rule, first, last)
    if times.empty:
        notes += (f"No decision after {first:%Y-%m-%d %H:%M} has matured by now, so there is nothing to compare on.",)
    events = events_to_announce(history, times, start=first, now=now, terms=terms)
    return Period(first, max(first, last), times, events, notes)


def short_holdout(
    history: History, *, usual: pd.Timedelta, events: int, now: pd.Timestamp, terms: Terms
) -> pd.Timedelta:
    """Return the shortest holdout, in whole days, with enough events to show a large difference; at most `usual`.

    Data that are held out cannot be learned from. While the champion drifts, they are the very part that matters, and a
    challenger that has learned from them is better by far: a few events show it.
    """
    failed = known_failures(history.predicted_failures, now, terms.breakdown)[["asset", "event_time"]]
    both = pd.concat([failed, confirmed_defects(history.work_orders, now)[["asset", "event_time"]]]).drop_duplicates()
    matured = both[both["event_time"] <= now - terms.maturity].sort_values("event_time")
    if len(matured) < events:
        return usual
    shortest: pd.Timedelta = (now - pd.Timestamp(matured["event_time"].iloc[-events])).ceil("D")
    return min(usual, shortest)


def events_to_announce(
    history: History, decisions: pd.DataFrame, *, start: pd.Timestamp, now: pd.Timestamp, terms: Terms
) -> pd.DataFrame:
    """Return the events that both models have to announce: failures, and defects confirmed by mechanics.

    Only events after `start` that one of the decisions (asset, as_of) could have announced, up to those whose alerts
    have all matured by `now`. Columns asset, event_time, confirmed.
    """
    failed = known_failures(history.predicted_failures, now, terms.breakdown).assign(confirmed=False)
    defects = confirmed_defects(history.work_orders, now).assign(confirmed=True)
    events = pd.concat([failed, defects], ignore_index=True).drop_duplicates(["asset", "event_time"])
    inside = (events["event_time"] > start) & (events["event_time"] <= now - terms.maturity)
    events = events[inside].sort_values(["asset", "event_time"], ignore_index=True).astype({"confirmed": bool})
    return events[announced(events, decisions, terms)].reset_index(drop=True)


def _cut_offs(
    history: History, stride: pd.Timedelta | None, rule: ObservationRule, start: pd.Timestamp, end: pd.Timestamp
) -> pd.DataFrame:
    if end <= start:
        return pd.DataFrame({"asset": [], "as_of": []})
    times = observed_cut_offs(history, stride, rule, start=start, end=end).cut_offs
    return times[(times["as_of"] > start) & (times["as_of"] <= end)].reset_index(drop=True)
