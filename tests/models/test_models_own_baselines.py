"""Baselines of single assets: which windows they are learned from, and what they change."""

from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from models.anomalies.screening import screen
from models.baselines.fit_baseline import FURTHEST, fit_baseline
from models.baselines.own_baseline import OwnBaseline, relative_to_baselines
from models.baselines.own_windows import LONGEST, choose_own_windows

WINDOW, CLAIM, SPAN, STRIDE = 24.0, 168.0, 336.0, 12.0
LENGTHS = {"window": WINDOW, "claim": CLAIM, "span": SPAN, "stride": STRIDE}
EVENTS = st.lists(st.floats(0.0, 1500.0), max_size=4).map(np.array)


@given(alarms=EVENTS, failures=EVENTS, now=st.floats(0.0, 2000.0))
def test_no_window_is_near_an_alarm_or_a_failure(alarms, failures, now) -> None:
    """Neither overlaps one before nor is followed by one within the claim; all are complete and have matured."""
    times = np.arange(0.0, 1500.0, STRIDE)
    chosen = choose_own_windows(times, alarms, failures, first=0.0, now=now, **LENGTHS)
    for time in times[chosen.rows]:
        assert WINDOW <= time <= WINDOW + LONGEST * SPAN
        assert time + CLAIM <= now
        for event in (*alarms, *failures):
            assert event <= time - WINDOW or event > time + CLAIM
    assert chosen.usable == chosen.rows.sum()
    assert (chosen.stage == "ready") == (chosen.usable >= SPAN / STRIDE)


@given(alarms=EVENTS, now=st.floats(0.0, 2000.0), later=st.floats(0.0, 500.0))
def test_what_happens_later_takes_no_window_away_but_by_alarms(alarms, now, later) -> None:
    """Without a new alarm, time only adds windows."""
    times = np.arange(0.0, 1500.0, STRIDE)
    none = np.array([])
    before = choose_own_windows(times, alarms, none, first=0.0, now=now, **LENGTHS)
    after = choose_own_windows(times, alarms, none, first=0.0, now=now + later, **LENGTHS)
    assert (after.rows | ~before.rows).all()


def test_an_asset_that_is_never_quiet_stays_with_its_type() -> None:
    """Once twice the span is over, with an alarm a week."""
    times = np.arange(0.0, 1500.0, STRIDE)
    alarms = np.arange(100.0, 1500.0, 168.0)
    assert choose_own_windows(times, alarms, alarms[:0], first=0.0, now=600.0, **LENGTHS).stage == "collecting"
    chosen = choose_own_windows(times, alarms, alarms[:0], first=0.0, now=1500.0, **LENGTHS)
    assert chosen.stage == "refused"
    assert chosen.alarmed > 0


def test_rows_become_those_of_a_usual_asset() -> None:
    """Level and scatter of an asset are brought to its type's; a narrow asset's deviation counts for more."""
    rng = np.random.default_rng(0)
    fleet = rng.normal(0.0, 1.0, (20, 1, 3)) + rng.normal(0.0, 0.5, (20, 200, 3))
    screening = screen(fleet.reshape(-1, 3), np.tile(np.arange(200.0), 20), np.repeat(np.arange(20), 200))
    own = rng.normal((2.0, -1.0, 0.5), 0.5, (400, 3))
    baseline = fit_baseline(own, screening, windows=200.0, since="a", until="b")
    z = screening.standardize(baseline.relative(own))
    assert np.abs(np.median(z, axis=0)).max() < 0.1
    shifted = screening.standardize(baseline.relative(own + 2.0))
    assert (np.median(shifted, axis=0) > 2.5).all()
    assert all(1 / FURTHEST <= gain <= FURTHEST for gain in baseline.gain)


def test_few_windows_say_little_of_a_scatter() -> None:
    """The gain goes to that of the own scatter as windows come in, and is 1 without any."""
    rng = np.random.default_rng(1)
    x = rng.normal(0.0, 1.0, (4000, 1))
    screening = screen(x, np.arange(4000.0))
    own = rng.normal(3.0, 0.7, (4000, 1))
    gains = [fit_baseline(own, screening, windows=n, since="", until="").gain[0] for n in (0.0, 10.0, 1e6)]
    assert gains[0] == 1.0
    assert gains == sorted(gains)
    assert abs(gains[2] - 1 / 0.7) < 0.1


def test_only_rows_that_name_their_asset_are_relative() -> None:
    """Others, such as golden inputs, are their type's; and a baseline survives being stored."""
    own = OwnBaseline((2.0,), (1.0,), "2026-01-01", "2026-01-15")
    assert OwnBaseline.from_dict(own.to_dict()) == own
    assert own.own(0, own.relative(np.array([[3.0]]))[0, 0]) == 3.0
    x = np.array([[1.0], [1.0]])
    named = pd.DataFrame({"f": [1.0, 1.0]}, index=pd.Index(["a", "b"], name="asset"))
    assert relative_to_baselines(x, named, {"a": own}).tolist() == [[3.0], [1.0]]
    assert relative_to_baselines(x, named.reset_index(drop=True), {"a": own}).tolist() == x.tolist()
    assert replace(own, until="later") != own
