"""What was corrected leaves no trace: features and labels are those of the corrected rows alone."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.tables.history import FRAMES, History
from features import SINCE_START, Recipe, extract, fit_recipe

pytestmark = pytest.mark.slow

KEYS = {
    "telemetry": ["asset", "event_time", "known_time", "source"],
    "assets": ["asset", "event_time", "known_time"],
    "failures": ["failure_id", "known_time"],
    "work_orders": ["work_order_id", "known_time"],
    "events": ["event_id", "known_time"],
}
HistoryOf = Callable[..., History]


@pytest.fixture(scope="module")
def recipe(history_of: HistoryOf) -> Recipe:
    return fit_recipe(
        history_of(0),
        windows=(pd.Timedelta("5h"), SINCE_START),
        feature_set=["mean", "length", "maximum"],
        event_spans=[pd.Timedelta("6h")],
        regimes=2,
        operating=["speed"],
        regime_channels="join",
    )


def one_batch(history: History) -> History:
    """Make the history one batch, in which a key occurs once."""
    frames = {name: getattr(history, name) for name in FRAMES}
    once = {
        name: frame.drop_duplicates([*KEYS[name], *(["asset"] if name not in ("telemetry", "assets") else [])])
        for name, frame in frames.items()
    }
    return replace(history, **once)


def spoiled(history: History, rng: np.random.Generator) -> History:
    """Give rows of the same keys other values: other readings, times, kinds and models, some of them missing."""

    def spoil(name: str, frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.sample(frac=0.7, random_state=int(rng.integers(1 << 30))).copy()
        if name not in ("telemetry", "assets"):
            frame["event_time"] -= pd.to_timedelta(rng.integers(0, 9, len(frame)), unit="h")
        for column in frame.columns.difference([*KEYS[name], "asset", "event_time", "asset_type", "plant"]):
            values = frame[column].to_numpy()[rng.permutation(len(frame))]
            spread = values * rng.choice([-3.0, 0.1, 1e6]) if values.dtype == np.float64 else values
            frame[column] = pd.Series(spread, index=frame.index).mask(rng.random(len(frame)) < 0.3)
        return frame

    return replace(history, **{name: spoil(name, getattr(history, name)) for name in FRAMES})


def stored_one_after_another(batches: list[History], seed: int) -> History:
    """Put the batches together as the tables do, the rows in any order."""
    frames = {
        name: pd.concat([getattr(batch, name).assign(stored_version=n + 1) for n, batch in enumerate(batches)])
        for name in FRAMES
    }
    return replace(batches[0], **{name: frame.sample(frac=1, random_state=seed) for name, frame in frames.items()})


def some_cut_offs(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    at = pd.Timestamp("2024-01-01T00:00Z").as_unit("us") + pd.to_timedelta(rng.integers(0, 60, 12), unit="h")
    return pd.DataFrame({"asset": rng.choice(["m0", "m1", "m2"], 12), "as_of": at})


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_was_corrected_leaves_no_trace(seed: int, history_of: HistoryOf, recipe: Recipe) -> None:
    """Telemetry, events, work orders, failures and assets: a batch of wrong values before changes no bit of a feature.

    Batch equals online: the same at one cut-off with its asset's rows alone.
    """
    rng, moments = np.random.default_rng(seed), some_cut_offs(seed)
    correct = one_batch(history_of(seed))
    corrected = stored_one_after_another([spoiled(correct, rng), spoiled(correct, rng), correct], seed % 997)
    expected = extract(correct, moments, recipe)
    batch = extract(corrected, moments, recipe)
    pd.testing.assert_frame_equal(batch, expected, check_exact=True)
    for number in range(0, len(moments), 4):
        one = moments.iloc[[number]]
        asset, as_of = one["asset"].iloc[0], one["as_of"].iloc[0]
        known = corrected.as_of(as_of)
        alone = replace(known, **{name: (f := getattr(known, name))[f["asset"] == asset] for name in FRAMES})
        pd.testing.assert_frame_equal(extract(alone, one, recipe), expected.iloc[[number]], check_exact=True)
