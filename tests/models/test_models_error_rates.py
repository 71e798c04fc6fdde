import numpy as np
import pandas as pd
import pytest
from scipy import stats

from models.error_rates import MONTH, ErrorRates, error_rates, occurrence, share
from models.outcomes import Terms, outcomes

HOUR = pd.Timedelta(hours=1)
START = pd.Timestamp("2026-01-01", tz="UTC")
TERMS = Terms(lead=0 * HOUR, horizon=24 * HOUR, gap=24 * HOUR, reporting_delay=0 * HOUR)
NO_ORDERS = pd.DataFrame(
    columns=["work_order_id", "asset", "event_time", "known_time", "kind", "component", "finding", "prompted_by"]
).astype({"event_time": "datetime64[us, UTC]", "known_time": "datetime64[us, UTC]"})


def _rates(**period: pd.Timestamp) -> ErrorRates:
    """Watch one asset every six hours for 60 days: alerts on days 10 and 30, failures on days 11 and 50."""
    as_of = pd.date_range(START, periods=241, freq="6h")
    told = pd.DataFrame({"asset": "m1", "as_of": as_of, "alert": as_of.isin([as_of[40], as_of[120]])})
    event = pd.DatetimeIndex([as_of[42], as_of[200]])
    failed = pd.DataFrame(
        {"failure_id": ["a", "b"], "asset": "m1", "event_time": event, "known_time": event, "mode": "bearing"}
    )
    return error_rates(outcomes(told, failed, NO_ORDERS, now=START + 80 * 24 * HOUR, terms=TERMS), **period)


def test_rates_by_hand() -> None:
    """The counts are those one finds with a pencil."""
    rates = _rates()
    assert (rates.missed.count, rates.missed.of) == (1, 2)
    assert rates.false_episodes.count == 1
    assert rates.false_episodes.of == pytest.approx(60 / 30)
    assert (rates.decision_fn.count, rates.decision_fn.of) == (7, 8)
    assert (rates.decision_fp.count, rates.decision_fp.of) == (1, 233)


def test_period_is_half_open() -> None:
    """A period holds what happened after its start, up to and including its end."""
    day = 24 * HOUR
    rates = _rates(start=START + 10.5 * day, end=START + 50 * day)
    assert (rates.missed.count, rates.missed.of) == (1, 1)
    assert rates.false_episodes.of == pytest.approx(39.5 * day / MONTH, rel=0.02)


def test_to_dict_and_back() -> None:
    """Rates survive being stored, those without a value too."""
    for rates in (_rates(), _rates(start=START + 1000 * HOUR, end=START + 1001 * HOUR)):
        assert ErrorRates.from_dict(rates.to_dict()).to_dict() == rates.to_dict()


def test_wilson_by_its_formula() -> None:
    """A share's interval is Wilson's, computed here from the published formula."""
    for count, trials in ((0, 5), (3, 7), (50, 50), (120, 400)):
        z = stats.norm.ppf(0.975)
        middle = (count + z**2 / 2) / (trials + z**2)
        half = z / (trials + z**2) * np.sqrt(count * (trials - count) / trials + z**2 / 4)
        rate = share(count, trials)
        assert [rate.low, rate.high] == pytest.approx([middle - half, middle + half], abs=1e-12)


def test_garwood_by_its_definition() -> None:
    """At the ends of the exact interval the Poisson tails are half of what the confidence leaves."""
    for count, exposure in ((0, 2.0), (1, 0.5), (14, 30.0)):
        rate = occurrence(count, exposure, confidence=0.9)
        assert stats.poisson.cdf(count, rate.high * exposure) == pytest.approx(0.05)
        if count:
            assert stats.poisson.sf(count - 1, rate.low * exposure) == pytest.approx(0.05)
        else:
            assert rate.low == 0.0


def test_nothing_watched_says_nothing() -> None:
    """Without trials or exposure the interval holds everything that is possible."""
    assert (share(0, 0).low, share(0, 0).high) == (0.0, 1.0)
    assert occurrence(0, 0.0).high == float("inf")
    assert np.isnan(share(0, 0).value)
