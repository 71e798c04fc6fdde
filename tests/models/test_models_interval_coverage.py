"""How many answered intervals held the number that came."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.monitoring.interval_coverage import interval_coverage
from models.outcomes.rate_intervals import share

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["m1", "m2", "m3"]),
        st.integers(0, 9),
        st.integers(0, 9),
        st.one_of(st.none(), st.integers(0, 9)),
    ),
    min_size=1,
    max_size=30,
)


def answered(rows: list[tuple[str, float, float, float | None]], level: float = 0.9) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["asset", "low", "high", "true"])
    return frame.astype({"low": np.float64, "high": np.float64, "true": np.float64}).assign(level=level)


@given(ROWS)
def test_each_known_number_is_held_or_not(rows: list[tuple[str, float, float, float | None]]) -> None:
    """Of the intervals whose number is known, those count that hold it, their ends included; the rest wait."""
    coverage = interval_coverage(answered(rows))
    assert coverage is not None
    known = [row for row in rows if row[3] is not None]
    assert coverage.covered.of == len(known)
    assert coverage.covered.count == sum(low <= true <= high for _, low, high, true in known if true is not None)
    assert coverage.not_known_yet == len(rows) - len(known)
    assert coverage.assets == len({asset for asset, *_ in known})
    assert coverage.covered.low <= coverage.covered.high


def test_assets_that_differ_say_less_than_as_many_intervals() -> None:
    """One interval an asset gives Wilson's own; assets that are all held, or all missed, a wider one."""
    alone = interval_coverage(answered([(f"m{n}", 0, 1, (n % 4 and 1) or 2) for n in range(40)]))
    together = interval_coverage(answered([(f"m{n % 8}", 0, 1, (n % 8 % 4 and 1) or 2) for n in range(40)]))
    wilson = share(30, 40)
    assert alone is not None
    assert together is not None
    assert (alone.covered.low, alone.covered.high) == pytest.approx((wilson.low, wilson.high), abs=0.02)
    assert together.covered.value == alone.covered.value == 0.75
    assert together.covered.low < wilson.low - 0.05


def test_without_intervals_there_is_no_coverage() -> None:
    """Where nothing was answered nothing is reported; where nothing came yet, no share."""
    assert interval_coverage(answered([])) is None
    waiting = interval_coverage(answered([("m1", 0, 1, None)]))
    assert waiting is not None
    assert (waiting.covered.of, waiting.not_known_yet) == (0, 1)
    assert waiting.to_dict() == {
        "count": 0, "of": 0, "value": None, "low": 0.0, "high": 1.0,
        "level": 0.9, "assets": 0, "not_known_yet": 1, "confidence": 0.95,
    }  # fmt: skip
