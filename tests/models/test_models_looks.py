"""Looks: which outcomes each contains, and what does not count."""

from dataclasses import replace

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from models.monitoring.looks import Grid, count_looks
from models.outcomes.outcomes import Outcomes, Terms, outcomes

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
START = pd.Timestamp("2026-01-01", tz="UTC")
TERMS = Terms(lead=0 * HOUR, horizon=24 * HOUR, gap=6 * HOUR, reporting_delay=12 * HOUR)
GRID = Grid(START, 7 * DAY)


def at(days: float) -> pd.Timestamp:
    return START + days * DAY


def matured(
    failed: list[tuple[str, float]], alerts: list[tuple[str, float]], now: float, assets: tuple[str, ...] = ("a", "b")
) -> Outcomes:
    """Return the outcomes of daily decisions about some assets, some of which are alerts."""
    predictions = pd.DataFrame(
        [(asset, at(day), (asset, day) in alerts) for asset in assets for day in range(1, int(now) + 1)],
        columns=["asset", "as_of", "alert"],
    )
    rows = [(f"f{number}", asset, at(day), at(day)) for number, (asset, day) in enumerate(failed)]
    failures = pd.DataFrame(rows, columns=["failure_id", "asset", "event_time", "known_time"])
    failures = failures.astype({"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"})
    columns = ["work_order_id", "asset", "event_time", "known_time", "kind", "component", "finding", "prompted_by"]
    orders = pd.DataFrame(columns=columns)
    orders = orders.astype({"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"})
    return outcomes(predictions, failures, orders, now=at(now), terms=TERMS)


def test_a_look_contains_what_matured_in_its_week() -> None:
    """A failure counts in the look by which lead, horizon and reporting delay had passed, missed or caught."""
    seen = count_looks(matured([("a", 2.5), ("b", 6.5)], [("a", 2.0)], 28), GRID)
    assert [(look.at, look.failures, look.missed) for look in seen] == [
        (at(7), 1, 0),
        (at(14), 1, 1),
        (at(21), 0, 0),
        (at(28), 0, 0),
    ]


def test_false_episodes_and_exposure() -> None:
    """An alarm that nothing followed is a false episode of the look in which it matured; quiet days are exposure."""
    seen = count_looks(matured([], [("a", 2.0), ("a", 9.0)], 21), GRID)
    assert [look.false_episodes for look in seen] == [1, 1, 0]
    assert sum(look.exposure for look in seen) > 0


def test_an_episode_opened_by_a_first_decision_is_no_event() -> None:
    """An alarm at an asset's first decision is not counted: no time was watched in which it could have begun."""
    seen = count_looks(matured([], [("a", 1.0), ("b", 9.0)], 21), GRID)
    assert [look.false_episodes for look in seen] == [0, 1, 0]
    once_a_week = matured([], [("a", 1.0)], 15)
    rare = once_a_week.decisions.iloc[:1].assign(covered=pd.Timedelta(0))
    first = count_looks(replace(once_a_week, decisions=rare), GRID)[0]
    assert (first.false_episodes, first.exposure) == (0, 0.0)


def test_one_cause_is_one_event() -> None:
    """An asset counts once in a look, if that was declared."""
    twice = matured([("a", 1.5), ("a", 3.5)], [], 14)
    assert count_looks(twice, GRID)[0].failures == 1
    assert count_looks(twice, replace(GRID, one_per_asset=False))[0].failures == 2


def test_assets_in_doubt_are_set_aside() -> None:
    """An asset no longer counts from the time on at which its data are in doubt; before that it does."""
    seen = matured([("a", 2.5), ("a", 9.5), ("b", 9.5)], [], 28)
    aside = count_looks(seen, replace(GRID, set_aside={"a": at(5)}))
    assert sum(look.failures for look in aside) == 2


def test_a_slice_counts_its_own_assets() -> None:
    """Only the assets of the slice count in it."""
    seen = matured([("a", 2.5), ("b", 2.5)], [], 14)
    assert count_looks(seen, GRID, only=frozenset({"b"}))[0].failures == 1


@settings(max_examples=15)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(1.0, 40.0)), max_size=12), st.integers(8, 41))
def test_looks_do_not_depend_on_when_they_are_taken(failed: list[tuple[str, float]], now: int) -> None:
    """Earlier looks are the first of those counted later: only whole ones are returned, and none changes."""
    reported = [(asset, day) for asset, day in failed if day <= now]
    early = count_looks(matured(reported, [], now), GRID)
    late = count_looks(matured(failed, [], 42), GRID)
    assert len(early) == now // 7
    assert [(look.at, look.missed, look.failures, look.false_episodes) for look in early] == [
        (look.at, look.missed, look.failures, look.false_episodes) for look in late[: len(early)]
    ]


def test_no_predictions_give_empty_looks() -> None:
    """A time without decisions has looks in which nothing is counted."""
    seen = count_looks(matured([], [], 14, assets=()), GRID)
    assert [(look.failures, look.exposure) for look in seen] == [(0, 0.0), (0, 0.0)]
