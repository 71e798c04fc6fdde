"""Splits: neither side sees the other's outcome."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from models.training.splits import by_asset, by_time

START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
HOUR = pd.Timedelta("1h")
LAW = settings(max_examples=60, deadline=None)


def cut_offs(rows: list[tuple[str, int]]) -> pd.DataFrame:
    frame = pd.DataFrame([(asset, START + hour * HOUR) for asset, hour in rows], columns=["asset", "as_of"])
    return frame.astype({"as_of": "datetime64[us, UTC]"})


rows = st.lists(st.tuples(st.sampled_from(["a1", "a2", "b1"]), st.integers(0, 100)), min_size=1)


@LAW
@given(rows, st.integers(0, 100), st.integers(0, 30))
def test_the_purge_leaves_no_overlap(drawn, test_start, purge) -> None:
    """No training label reaches into the test period, and what lies between belongs to neither."""
    drawn_cut_offs = cut_offs(drawn)
    begin = START + test_start * HOUR
    split = by_time(drawn_cut_offs, begin, purge * HOUR)
    assert (drawn_cut_offs["as_of"][split.train] + purge * HOUR < begin).all()
    assert (drawn_cut_offs["as_of"][split.test] >= begin).all()
    assert not (split.train & split.test).any()


def test_the_test_period_ends() -> None:
    """The test period is closed on the left and open on the right."""
    drawn_cut_offs = cut_offs([("a1", hour) for hour in range(10)])
    split = by_time(drawn_cut_offs, START + 4 * HOUR, 2 * HOUR, test_end=START + 6 * HOUR)
    assert list(split.train.nonzero()[0]) == [0, 1]
    assert list(split.test.nonzero()[0]) == [4, 5]


@LAW
@given(rows, st.floats(0.1, 0.9), st.integers(0, 5))
def test_no_asset_is_on_both_sides(drawn, share, seed) -> None:
    """A split by asset puts all of an asset's samples on one side, the same each time."""
    drawn_cut_offs = cut_offs([*drawn, ("c1", 0), ("c2", 0), ("c3", 0)])
    split = (
        by_asset(drawn_cut_offs, share=share, seed=seed)
        if round(share * drawn_cut_offs["asset"].nunique()) < drawn_cut_offs["asset"].nunique()
        else None
    )
    if split is None:
        return
    assert not set(drawn_cut_offs["asset"][split.train]) & set(drawn_cut_offs["asset"][split.test])
    assert (split.test == by_asset(drawn_cut_offs, share=share, seed=seed).test).all()


def test_patterns_choose_the_test_assets() -> None:
    """Glob patterns name the test assets."""
    split = by_asset(cut_offs([("FD001-train-001", 0), ("FD001-test-001", 0)]), ["FD001-test-*"])
    assert list(split.test) == [False, True]


@pytest.mark.parametrize("pattern", ["nothing-*", "*"])
def test_patterns_that_part_nothing_are_refused(pattern) -> None:
    """Patterns that take no asset, or all, are refused."""
    with pytest.raises(UsageError, match="of 2 assets"):
        by_asset(cut_offs([("a", 0), ("b", 0)]), [pattern])
