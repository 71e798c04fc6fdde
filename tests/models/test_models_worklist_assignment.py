"""The assignment of jobs to days: leaving out what no best plan needs loses nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.planning import worklist_assignment
from models.planning.worklist_assignment import UNASSIGNED, assign

LIMIT = st.one_of(st.none(), st.integers(0, 2))
TIME = st.one_of(st.none(), st.sampled_from([4.0, 6.0, 9.0]))


@st.composite
def problems(draw):
    n_days = draw(st.integers(1, 3))
    rows = st.lists(st.integers(-2, 9), min_size=n_days, max_size=n_days)
    saves = draw(st.lists(rows, min_size=1, max_size=14))
    needed = draw(st.lists(st.sampled_from([2.0, 4.0]), min_size=len(saves), max_size=len(saves)))
    places, hours = (draw(st.lists(limit, min_size=n_days, max_size=n_days)) for limit in (LIMIT, TIME))
    return np.array(saves, dtype=np.float64), np.array(needed), places, hours


@settings(max_examples=100, deadline=None)
@given(problem=problems())
def test_leaving_out_dominated_options_loses_nothing(problem):
    """With few places and hours for many jobs, the saving is that of the best plan among all options."""
    saves, needed, places, hours = problem

    def saved() -> float:
        day = assign(saves, needed, places, hours, 10.0).day
        done = np.flatnonzero(day != UNASSIGNED)
        return float(saves[done, day[done]].sum())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worklist_assignment, "_without_dominated", lambda job, day, *_: (job, day))
        expected = saved()
    assert saved() == pytest.approx(expected)


def test_of_a_fleet_only_what_can_be_done_is_considered():
    """Of 20,000 jobs and five days with two places each, no day looks at more than ten jobs."""
    saves = np.random.default_rng(0).uniform(1, 2, (20_000, 5))
    job, day = np.nonzero(saves > 0)
    kept_job, kept_day = worklist_assignment._without_dominated(
        job, day, saves, np.full(20_000, 4.0), [2] * 5, [None] * 5
    )
    assert np.bincount(kept_day).tolist() == [10] * 5
    for number in range(5):
        assert set(kept_job[kept_day == number]) == set(np.argsort(-saves[:, number])[:10])
