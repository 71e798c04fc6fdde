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
    cut_offs: pd.DataFrame,
    failures: pd.DataFrame,
    interval: pd.Timedelta | None,
    terms: Terms,
    gaps: list[tuple[str, pd.Timestamp, pd.Timestamp]],
    known_until: pd.Timestamp,
) -> tuple[int, int]:
    """Return failures missed and inspections in vain, pair by pair."""
    missed = in_vain = 0
    for asset, as_of in cut_offs.groupby("asset")["as_of"]:
        times = sorted(set(as_of))
        failed = failures.loc[failures["asset"] == asset, "event_time"].unique()
        failed = [f for f in failed if any(t + terms.lead < f <= t + terms.claim for t in times)]
        due = [] if interval is None else pd.date_range(times[0], times[-1], freq=interval)
        inspected = {min(t for t in times if t >= time) for time in due}
        found = {(t, f) for t in inspected for f in failed if t + terms.lead < f <= t + terms.claim}
        missed += len(failed) - len({f for _, f in found})
        in_vain += sum(
            t + terms.maturity <= known_until
            and not any(a == asset and begins < t + terms.claim and ends > t for a, begins, ends in gaps)
            for t in inspected - {t for t, _ in found}
        )
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
    gaps=st.lists(st.tuples(ASSETS, st.integers(0, 60), st.integers(1, 20)), max_size=3),
    known=st.integers(0, 120),
)
def test_the_counts_are_those_of_every_pair(cut_offs, failures, lead, horizon, interval, gaps, known):
    """Overlapping claims, failures at one instant, of unknown assets, at the edges, outside of the period, in gaps."""
    spans = [(asset, START + first * HOUR, START + (first + length) * HOUR) for asset, first, length in gaps]
    unseen = pd.DataFrame(spans, columns=["asset", "begins", "ends"]) if spans else None
    known_until = START + known * HOUR
    drawn = pd.DataFrame({"asset": [a for a, _ in cut_offs], "as_of": at([h for _, h in cut_offs])})
    happened = pd.DataFrame({"asset": [a for a, _ in failures], "event_time": at([h / 4 for _, h in failures])})
    terms = Terms(lead * HOUR, horizon * HOUR, HOUR, 2 * HOUR)
    every = None if interval is None else interval * HOUR
    cost = calendar_cost(
        drawn,
        happened,
        interval=every,
        terms=terms,
        missed_failure=10.0,
        false_alarm=1.0,
        observation_gaps=unseen,
        known_until=known_until,
    )
    assert (cost.missed, cost.in_vain) == count_slowly(drawn, happened, every, terms, spans, known_until)
    assert cost.cost == 10.0 * cost.missed + cost.in_vain
    prices = {"terms": terms, "missed_failure": 10.0, "false_alarm": 1.0}
    costs = {i: calendar_cost(drawn, happened, interval=i, **prices).cost for i in policies._INTERVALS}
    cheapest = max(i for i in costs if costs[i] == min(costs.values()))
    assert best_interval(drawn, happened, **prices) == cheapest


def test_nobody_inspects_in_a_silence_or_after_the_end():
    """A week without cut-offs costs a calendar no inspection, as it costs a model no alarm."""
    terms = Terms(0 * HOUR, 24 * HOUR, HOUR, 0 * HOUR)
    prices = {"interval": terms.horizon, "terms": terms, "missed_failure": 10.0, "false_alarm": 1.0}
    whole = pd.DataFrame({"asset": "m1", "as_of": at(list(range(240)))})
    torn = whole[~whole["as_of"].between(START + 48 * HOUR, START + 216 * HOUR)]
    none = pd.DataFrame({"asset": [], "event_time": at([])})
    ended = pd.DataFrame({"asset": ["m1"], "begins": [START + 239 * HOUR], "ends": [START + 9999 * HOUR]})
    assert [calendar_cost(drawn, none, **prices).in_vain for drawn in (whole, torn)] == [10, 3]
    assert [calendar_cost(drawn, none, **prices, observation_gaps=ended).in_vain for drawn in (whole, torn)] == [9, 2]
    unheard = pd.DataFrame({"asset": "m1", "event_time": at([150])})
    assert [calendar_cost(drawn, unheard, **prices | {"interval": None}).missed for drawn in (whole, torn)] == [1, 0]
