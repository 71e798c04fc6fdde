"""Labels of many assets at once are those of one asset after another."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from models.labels.labels import remaining_life

START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
ASSETS = st.sampled_from(["m1", "m2", "m3", "m4"])
MOMENTS = st.lists(st.tuples(ASSETS, st.integers(0, 20)), max_size=15)


@settings(max_examples=100, deadline=None)
@given(cut_offs=MOMENTS, failures=MOMENTS)
def test_the_next_failure_is_that_of_the_same_asset(cut_offs, failures):
    """Hours to the first failure at or after each cut-off, whatever other assets do at the same instants."""

    def frame(moments: list[tuple[str, int]], time: str) -> pd.DataFrame:
        hours = pd.to_timedelta([hour for _, hour in moments], unit="h").as_unit("us")
        return pd.DataFrame({"asset": pd.Series([asset for asset, _ in moments], dtype="str"), time: START + hours})

    happened = frame(failures, "event_time").assign(known_time=START, mode="seal")
    happened["failure_id"] = [f"f{number}" for number in range(len(failures))]
    expected = [
        min((float(at - hour) for other, at in failures if other == asset and at >= hour), default=np.nan)
        for asset, hour in cut_offs
    ]
    life = remaining_life(frame(cut_offs, "as_of"), happened, known_until=START + pd.Timedelta(days=9))
    np.testing.assert_array_equal(life.to_numpy(), np.array(expected, dtype=np.float64))
