"""An evaluation counted week by week."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd

from models.monitoring.looks import Grid, count_looks
from models.outcomes.error_rates import MONTH, ErrorRates, error_rates
from models.outcomes.weekly_counts import MOST_WEEKS, WEEK, weekly_counts
from pipelines.fleet.histories.monitored import SINCE, MonitoredPlant, simulated_outcomes

PLANT = MonitoredPlant(assets=60, weeks=30, false_alarm=0.02)


def test_weeks_are_the_looks_that_monitoring_would_have_counted() -> None:
    """Counted by when things happened, weeks are looks counted by when they matured, one maturity later."""
    outcomes = simulated_outcomes(PLANT, 1, np.random.default_rng(1))
    since = SINCE + 20 * pd.Timedelta(days=1)
    weeks = weekly_counts(outcomes, since, MONTH)
    # A grid that begins a maturity later, and counts what happened since the time: its looks are the weeks.
    late = {name: frame.copy() for name, frame in vars(outcomes).items() if isinstance(frame, pd.DataFrame)}
    for frame in late.values():
        frame["matured_at"] -= outcomes.terms.maturity
    looks = count_looks(replace(outcomes, now=outcomes.matured_until, **late), Grid(since, WEEK))
    assert [tuple(vars(week).values())[:4] for week in weeks] == [tuple(vars(look).values())[:4] for look in looks]
    np.testing.assert_allclose([week.exposure for week in weeks], [look.exposure for look in looks], atol=1e-4)
    assert sum(week.missed for week in weeks) > 0
    assert sum(week.false_episodes for week in weeks) > 0


def test_rates_keep_their_weeks_in_a_tag() -> None:
    """Stored as JSON and read again they are the same; rates stored without weeks are still read, and have none."""
    outcomes = simulated_outcomes(PLANT, 1, np.random.default_rng(2))
    weeks = weekly_counts(outcomes, SINCE, MONTH)
    rates = replace(error_rates(outcomes), weeks=weeks)
    stored = json.dumps(rates.to_dict(), sort_keys=True)
    assert ErrorRates.from_dict(json.loads(stored)).weeks == weeks
    bare = replace(rates, weeks=()).to_dict()
    assert "weeks" not in bare
    assert ErrorRates.from_dict(bare).weeks == ()
    longest = replace(rates, weeks=(weeks * MOST_WEEKS)[:MOST_WEEKS])
    assert len(json.dumps(longest.to_dict())) < 8000


def test_no_whole_week_is_no_week() -> None:
    """An evaluation that ends within its first week has no counts by week."""
    outcomes = simulated_outcomes(PLANT, 1, np.random.default_rng(3))
    assert weekly_counts(outcomes, outcomes.matured_until - 0.9 * WEEK, MONTH) == ()
    assert weekly_counts(outcomes, outcomes.now, MONTH) == ()
