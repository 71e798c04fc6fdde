"""How much higher a kept rate may be at its time of the year."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from models.sequential_tests.season import YEAR, ReferencePeriod, season_factors

START = pd.Timestamp("2026-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)


def _wave(times: pd.DatetimeIndex, amplitude: float, phase: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return 1 + amplitude * np.cos(2 * np.pi * ((times - START) / YEAR).to_numpy() - phase)


@given(
    declared=st.floats(0.05, 0.8),
    part=st.floats(0, 1),
    phase=st.floats(0, 6.3),
    days=st.integers(7, 300),
    later=st.integers(1, 800),
)
def test_a_season_up_to_the_declared_one_keeps_the_promise(
    declared: float, part: float, phase: float, days: int, later: int
) -> None:
    """The true rate, relative to its mean over the evaluation, is never above the factor by more than a grid's step."""
    period = ReferencePeriod(START, START + days * DAY)
    mean = _wave(pd.date_range(START, START + days * DAY, periods=2000), part * declared, phase).mean()
    at = pd.DatetimeIndex([START + (days + later) * DAY])
    # Phases are ten degrees apart, and factors are rounded up.
    assert _wave(at, part * declared, phase)[0] / mean <= season_factors(at, period, declared)[0] * 1.01


def test_the_factor_is_near_one_where_the_season_was_evaluated() -> None:
    """Right after a short evaluation and a year later little is added, half a year later most; 0 switches it off."""
    period = ReferencePeriod(START, START + 28 * DAY)
    at = pd.DatetimeIndex([START + days * DAY for days in (29, 196, 379)])
    soon, opposite, year = season_factors(at, period, 0.35)
    assert soon < 1.12
    assert year < 1.05
    assert 1.9 < opposite < (1 + 0.35) / (1 - 0.35) + 0.02
    assert season_factors(at, period, 0.0).tolist() == [1.0, 1.0, 1.0]


def test_a_year_of_looks_leaves_the_season_that_it_saw() -> None:
    """After a year counted by week the factor follows the wave that the weeks show, not every possible one."""
    weeks = pd.DatetimeIndex([START + (7 * week + 3.5) * DAY for week in range(52)])
    rng = np.random.default_rng(1)
    after = weeks + 364 * DAY
    period = {"start": START, "end": START + 364 * DAY, "times": weeks, "amounts": np.ones(52)}
    seasonal = season_factors(after, ReferencePeriod(**period, events=rng.poisson(60 * _wave(weeks, 0.3, 1.0))), 0.35)
    truth = _wave(after, 0.3, 1.0)
    assert (seasonal >= np.maximum(truth, 1) - 0.03).all()
    assert seasonal[truth < 0.75].max() <= 1.0
    steady = season_factors(after, ReferencePeriod(**period, events=rng.poisson(60, 52)), 0.35)
    assert steady.max() < 1.2
    unknown = season_factors(after, ReferencePeriod(START, START + 364 * DAY), 0.35)
    assert unknown.min() > 1.3


def test_weeks_that_vary_leave_more_possible() -> None:
    """Weekly shocks contradict a season less than independent events do."""
    weeks = pd.DatetimeIndex([START + (7 * week + 3.5) * DAY for week in range(52)])
    rng, period = np.random.default_rng(2), {"start": START, "end": START + 364 * DAY, "times": weeks}
    counts = [rng.poisson(60 * shocks) for shocks in (np.ones(52), rng.gamma(4, 0.25, 52))]
    steady, shocked = (
        season_factors(weeks + 364 * DAY, ReferencePeriod(**period, events=own, amounts=np.ones(52)), 0.35)
        for own in counts
    )
    assert shocked.mean() > steady.mean()
