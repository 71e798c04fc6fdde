"""Maintenance by the calendar: the vectorised counts are those of looking at each inspection and failure."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from models.outcomes.outcomes import Terms
from models.training import policies
from models.training.policies import best_interval, calendar_cost

START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
HOUR = pd.Timedelta("1h").as_unit("us")
ASSETS = st.sampled_from(["m1", "m2", "m3", "unheard of"])


def count_slowly(
    cut_offs: pd.DataFrame, failures: pd.DataFrame, interval: pd.Timedelta | None, terms: Terms
) -> tuple[int, int]:
    """Return failures missed and inspections in vain, pair by pair."""
    missed = in_vain = 0
    for asset, as_of in cut_offs.groupby("asset")["as_of"]:
        first, last = as_of.min(), as_of.max()
        failed = failures.loc[failures["asset"] == asset, "event_time"].unique()
        failed = [time for time in failed if first + terms.lead < time <= last + terms.claim]
        inspected = [] if interval is None else list(pd.date_range(first, last, freq=interval))
        found = {(t, f) for t in inspected for f in failed if t + terms.lead < f <= t + terms.claim}
        missed += len(failed) - len({f for _, f in found})
        in_vain += len(inspected) - len({t for t, _ in found})
    return missed, in_vain


def at(hours: list[float]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([START + hour * HOUR for hour in hours], dtype="datetime64[us, UTC]")


@settings(max_examples=150, deadline=None)
@given(
    cut_offs=st.lists(st.tuples(ASSETS, st.integers(0, 60)), max_size=12),
    failures=st.lists(st.tuples(ASSETS, st.integers(-5, 300)), max_size=12),
    lead=st.integers(0, 8),
    horizon=st.integers(1, 30),
    interval=st.one_of(st.none(), st.integers(1, 60)),
)
def test_the_counts_are_those_of_every_pair(cut_offs, failures, lead, horizon, interval):
    """Overlapping claims, failures at one instant, of unknown assets, at the edges and outside of the period."""
    drawn = pd.DataFrame({"asset": [a for a, _ in cut_offs], "as_of": at([h for _, h in cut_offs])})
    happened = pd.DataFrame({"asset": [a for a, _ in failures], "event_time": at([h / 4 for _, h in failures])})
    terms = Terms(lead * HOUR, horizon * HOUR, HOUR, 0 * HOUR)
    every = None if interval is None else interval * HOUR
    cost = calendar_cost(drawn, happened, interval=every, terms=terms, missed_failure=10.0, false_alarm=1.0)
    assert (cost.missed, cost.in_vain) == count_slowly(drawn, happened, every, terms)
    assert cost.cost == 10.0 * cost.missed + cost.in_vain
    prices = {"terms": terms, "missed_failure": 10.0, "false_alarm": 1.0}
    costs = {i: calendar_cost(drawn, happened, interval=i, **prices).cost for i in policies._INTERVALS}
    cheapest = max(i for i in costs if costs[i] == min(costs.values()))
    assert best_interval(drawn, happened, **prices) == cheapest
