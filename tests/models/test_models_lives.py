"""Lives that may be cut off: what is known of each cut-off's future at a time, and nothing more."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.estimators.survival.time_grid import round_lives, time_grid
from models.labels.labels import LabelState, failure_labels
from models.labels.lives import lives, lives_known_by

START = pd.Timestamp("2026-01-01", tz="UTC")
HOUR = pd.Timedelta("1h")
NONE = pd.DataFrame({"asset": [], "event_time": []})
NO_GAPS = pd.DataFrame({"asset": [], "begins": [], "ends": []})
CUT_OFFS = pd.DataFrame({"asset": "m1", "as_of": START + HOUR * np.arange(0, 100, 5)})


def failures(*hours: float, late: float = 2.0) -> pd.DataFrame:
    at = [START + HOUR * hour for hour in hours]
    frame = pd.DataFrame({"failure_id": [str(hour) for hour in hours], "asset": "m1", "event_time": at})
    frame = frame.astype({"event_time": "datetime64[us, UTC]"})
    return frame.assign(known_time=frame["event_time"] + HOUR * late)


def orders(*rows: tuple[float, str]) -> pd.DataFrame:
    at = pd.Series([START + HOUR * hour for hour, _ in rows], dtype="datetime64[us, UTC]")
    frame = pd.DataFrame({"work_order_id": [str(number) for number in range(len(rows))], "event_time": at})
    found = [finding for _, finding in rows]
    frame = frame.assign(asset="m1", known_time=at, kind="inspection", prompted_by="alarm", finding=found)
    return frame.astype({"asset": "str"})


def known(
    failed: pd.DataFrame, work: pd.DataFrame | None, until: float, lead: float = 0.0, gaps: pd.DataFrame = NO_GAPS
) -> list[list[float]]:
    return lives(
        CUT_OFFS.head(1),
        failed,
        work,
        lead=HOUR * lead,
        known_until=START + HOUR * until,
        delay=HOUR * 2,
        observation_gaps=gaps,
        replacements=NONE,
    ).tolist()


def test_a_life_ends_in_a_failure_or_is_cut_off() -> None:
    """Failures and confirmed defects end a life; what is unknown, unobserved or intervened in cuts it off."""
    gap = pd.DataFrame({"asset": ["m1"], "begins": [START + HOUR * 20], "ends": [START + HOUR * 30]})
    assert known(failures(40), orders(), 90) == [[40.0, 1.0]]
    assert known(failures(40), orders(), 90, lead=6) == [[34.0, 1.0]]
    assert known(failures(40), orders(), 30) == [[28.0, 0.0]]
    # A failure is known before survival is: that of the last two hours does not count yet.
    assert known(failures(40, late=0), orders(), 41) == [[39.0, 0.0]]
    assert known(failures(40), orders(), 90, gaps=gap) == [[20.0, 0.0]]
    assert known(failures(), orders((10, "defect_confirmed")), 90) == [[10.0, 1.0]]
    assert known(failures(), orders((10, "unknown")), 90) == [[10.0, 0.0]]
    assert known(failures(40), orders((10, "unknown")), 90) == [[40.0, 1.0]]
    assert known(failures(), orders((10, "no_fault_found")), 90) == [[88.0, 0.0]]
    assert np.isnan(known(failures(4), orders(), 90, lead=6)).all()
    assert np.isnan(known(failures(), orders(), 2)).all()


@settings(max_examples=20)
@given(
    hours=st.lists(st.integers(1, 95), max_size=5, unique=True),
    work=st.lists(
        st.tuples(st.integers(1, 95), st.sampled_from(["defect_confirmed", "no_fault_found", "unknown"])), max_size=3
    ),
    until=st.integers(1, 110),
    horizon=st.integers(1, 40),
)
def test_lives_agree_with_labels(hours: list[int], work: list[tuple[int, str]], until: int, horizon: int) -> None:
    """Where a label says that an asset failed or survived the horizon, its life says the same."""
    failed, done, now, delay = failures(*hours), orders(*work), START + HOUR * until, HOUR * 2
    state = failure_labels(CUT_OFFS, failed, done, lead=HOUR * 0, horizon=HOUR * horizon, known_until=now, delay=delay)
    life = lives(CUT_OFFS, failed, done, known_until=now, delay=delay, observation_gaps=NO_GAPS, replacements=NONE)
    mature = (CUT_OFFS["as_of"] + HOUR * horizon + delay <= now).to_numpy()
    within = (life[:, 1] > 0.0) & (life[:, 0] <= horizon + 1e-6)
    positive = (state == LabelState.POSITIVE).to_numpy()
    negative = (state == LabelState.NEGATIVE).to_numpy()
    assert within[positive & mature].all()
    assert (life[negative & mature, 0] >= horizon - 1e-6).all()
    assert not within[negative & mature].any()


@settings(max_examples=20)
@given(hours=st.lists(st.integers(1, 95), max_size=5, unique=True), until=st.integers(3, 110))
def test_an_earlier_time_knows_less(hours: list[int], until: int) -> None:
    """Lives cut off at an earlier time are those that were known then, and nothing known later changes them."""
    everything, then = START + HOUR * 200, START + HOUR * until
    options = {"observation_gaps": NO_GAPS, "replacements": NONE, "delay": HOUR * 2}
    life = lives(CUT_OFFS, failures(*hours), orders(), known_until=everything, **options)
    cut = lives_known_by(life, CUT_OFFS["as_of"], then - HOUR * 2)
    known_then = lives(CUT_OFFS, failures(*hours), orders(), known_until=then, **options)
    assert np.allclose(cut, known_then, equal_nan=True)
    early = [hour for hour in hours if hour + 2 <= until]
    assert np.array_equal(
        known_then, lives(CUT_OFFS, failures(*early), orders(), known_until=then, **options), equal_nan=True
    )


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 500), st.booleans()), min_size=1, max_size=40), st.integers(2, 9))
def test_rounding_never_invents_knowledge(pairs: list[tuple[float, bool]], n_times: int) -> None:
    """On the grid a failure is never earlier, survival never longer, and the horizons are times of the grid."""
    hours, failed = np.array([hour for hour, _ in pairs]), np.array([end for _, end in pairs])
    grid = time_grid(hours, failed, np.array([24.0, 72.0]), n_times)
    assert {24.0, 72.0} <= set(grid)
    assert grid[-1] == 72.0
    assert (np.diff(grid) > 0).all()
    rounded, ends = round_lives(hours, failed, grid)
    assert (rounded[ends] >= hours[ends]).all()
    assert (rounded[~ends] <= hours[~ends]).all()
    assert not (ends & ~failed).any()
    for horizon in (24.0, 72.0):
        assert np.array_equal(ends & (rounded <= horizon), failed & (hours <= horizon))


def test_a_grid_without_ends_reaches_to_the_longest_life() -> None:
    """Without a cap, the longest life that ended in a failure is the last time."""
    grid = time_grid(np.array([10.0, 30.0, 99.0]), np.array([True, True, False]), np.empty(0), 8)
    assert grid[-1] == pytest.approx(30.0)
