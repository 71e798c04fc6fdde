"""A regime that did not occur in training is reported, from what was known at the cut-off alone."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.tables.history import History
from data_contracts.tables.telemetry import reconcile
from features import Recipe, Regimes, fit_recipe
from features.extraction.unknown_regimes import unknown_regimes

HistoryOf = Callable[..., History]
BeginOf = Callable[[History, str, pd.Timestamp], pd.Timestamp]
START = pd.Timestamp("2024-01-01T00:00Z").as_unit("us")
HOUR = pd.Timedelta("1h")


def recipe(history: History, reach: float | None = 1.0) -> Recipe:
    fitted = fit_recipe(history, windows=[6 * HOUR, 30 * HOUR], regimes=2, operating=["speed", "heat"])
    assert fitted.regimes is not None
    return replace(fitted, regimes=replace(fitted.regimes, reach=reach))


def cut_offs() -> pd.DataFrame:
    as_of = [START + hour * HOUR for hour in range(0, 60, 7)]
    return pd.MultiIndex.from_product([["m2", "m0", "m1", "new"], as_of], names=["asset", "as_of"]).to_frame(
        index=False
    )


def naive_unknown(
    history: History, moments: pd.DataFrame, regimes: Regimes, window: pd.Timedelta, machine_begin: BeginOf
) -> set[int]:
    """Reconcile each cut-off's window separately, and count."""
    unknown = set()
    for number, (asset, as_of) in enumerate(moments.itertuples(index=False)):
        rows = history.telemetry[(history.telemetry["asset"] == asset) & (history.telemetry["known_time"] <= as_of)]
        rows = rows[(rows["event_time"] > as_of - window) & (rows["event_time"] <= as_of)]
        rows = rows[rows["event_time"] >= machine_begin(history, asset, as_of)]
        reconciled = reconcile(rows, history.channels)
        beyond = regimes.is_beyond({name: reconciled[name].to_numpy(np.float64) for name in regimes.operating})
        beyond = beyond[~np.isnan(beyond)]
        if len(beyond) and beyond.mean() > 0.5:
            unknown.add(number)
    return unknown


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1000), reach=st.sampled_from([0.3, 0.8, 1.5]))
def test_most_readings_decide(history_of: HistoryOf, machine_begin: BeginOf, seed: int, reach: float) -> None:
    """A cut-off is unknown exactly when most known readings of its shortest window lie beyond reach."""
    history = history_of(seed)
    fitted = recipe(history, reach)
    assert fitted.regimes is not None
    reasons = unknown_regimes(history, cut_offs(), fitted)
    assert set(reasons) == naive_unknown(history, cut_offs(), fitted.regimes, 6 * HOUR, machine_begin)
    assert all(reason.startswith("unknown operating regime: ") for reason in reasons.values())


def test_nothing_known_later_makes_a_regime_unknown(history_of: HistoryOf) -> None:
    """The whole history gives the same result at a cut-off as the history known then."""
    history, moments = history_of(3), cut_offs()
    fitted = recipe(history, 0.8)
    whole = unknown_regimes(history, moments, fitted)
    assert whole
    for number in range(len(moments)):
        alone = moments.iloc[[number]].reset_index(drop=True)
        assert unknown_regimes(history.as_of(alone["as_of"].iloc[0]), alone, fitted).get(0) == whole.get(number)


def test_regimes_without_a_reach_take_every_row(history_of: HistoryOf) -> None:
    """Regimes without a reach, and recipes that normalise nothing by them, find nothing unknown."""
    history = history_of(3)
    fitted = recipe(history, 0.0)
    assert unknown_regimes(history, cut_offs(), fitted)
    assert not unknown_regimes(history, cut_offs(), recipe(history, None))
    raw = fit_recipe(history, windows=[6 * HOUR])
    assert not unknown_regimes(history, cut_offs(), raw)
    nothing = replace(history, telemetry=history.telemetry.iloc[:0])
    assert not unknown_regimes(nothing, cut_offs(), fitted)


def test_old_regimes_keep_their_digest(history_of: HistoryOf) -> None:
    """Without a reach nothing about it is written; with one it survives JSON."""
    old, new = recipe(history_of(3), None), recipe(history_of(3), 1.5)
    assert "reach" not in old.to_json()
    assert Recipe.from_json(old.to_json()) == old
    assert Recipe.from_json(new.to_json()) == new
    assert old.digest != new.digest


@pytest.mark.parametrize("speed", [-40.0, 55.0])
def test_learned_reach_holds_the_training_and_no_more(speed: float) -> None:
    """No row like those of the training lies beyond the learned reach; a speed far from all of them does."""
    from features import fit_regimes

    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"speed": rng.choice([0.0, 10.0, 20.0], 3000) + rng.normal(size=3000), "heat": 1.0})
    learned = fit_regimes(rows, operating=["speed"], k=3, channels=["heat"], seed=1)
    fresh = rng.choice([0.0, 10.0, 20.0], 3000) + rng.normal(size=3000)
    assert not learned.is_beyond({"speed": fresh}).any()
    assert learned.is_beyond({"speed": np.array([speed])}).all()
    assert np.isnan(learned.is_beyond({"speed": np.array([np.nan])})).all()


def test_a_setting_that_never_varied_has_some_reach() -> None:
    """Where all settings were one value, rounding does not make a regime unknown."""
    from features import fit_regimes

    rows = pd.DataFrame({"speed": np.full(50, 20.0), "heat": 1.0})
    learned = fit_regimes(rows, operating=["speed"], k=3, channels=["heat"], seed=1)
    assert learned.is_beyond({"speed": np.array([20.0, 20.0 + 1e-9, 25.0])}).tolist() == [0.0, 0.0, 1.0]
