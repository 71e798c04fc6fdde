"""Operating regimes: fitted reproducibly, and removed from the channels."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from features import Recipe, Regimes, fit_recipe, fit_regimes

HistoryOf = Callable[..., History]


def telemetry(seed: int, n: int = 600, k: int = 6) -> pd.DataFrame:
    """Make rows like the six operating conditions of C-MAPSS FD002: settings with little noise, levels that follow."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(-1, 1, (k, 2)) * np.array([40.0, 0.8])
    regime = rng.integers(k, size=n)
    settings_ = places[regime] + rng.normal(size=(n, 2)) * 1e-3
    return pd.DataFrame(
        {
            "setting_1": settings_[:, 0],
            "setting_2": settings_[:, 1],
            "s1": 100.0 * regime + rng.normal(size=n) * (1 + regime),
            "s2": 5.0 * regime,
            "regime": regime,
        }
    )


def fit(frame: pd.DataFrame, k: int = 6) -> Regimes:
    return fit_regimes(frame, operating=["setting_1", "setting_2"], k=k, channels=["s1", "s2"], seed=3)


def columns(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    return {name: frame[name].to_numpy() for name in ("setting_1", "setting_2", "s1", "s2")}


def test_regimes_are_found_and_taken_out() -> None:
    """Rows of one regime get one number, and normalised channels no longer reveal the regime."""
    frame = telemetry(1)
    learned = fit(frame)
    assigned = learned.assign(columns(frame))
    assert len(set(zip(assigned, frame["regime"], strict=True))) == 6
    normalised = learned.normalise(columns(frame), ["s1", "s2"])
    by_regime = pd.Series(normalised["s1~regime"]).groupby(assigned)
    assert np.allclose(by_regime.mean(), 0)
    assert np.allclose(by_regime.std(ddof=0), 1)
    assert np.allclose(normalised["s2~regime"], 0)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_learning_is_the_same_each_time(seed: int) -> None:
    """The same rows in any order give the same regimes, to the last bit, also through JSON."""
    frame = telemetry(seed, n=200)
    learned = fit(frame)
    assert fit(frame.sample(frac=1, random_state=seed)) == learned
    assert Regimes.from_dict(learned.to_dict()) == learned


def test_rows_without_settings_have_no_regime() -> None:
    """A null setting leaves the normalised channel null, and does not disturb the others."""
    frame = telemetry(2)
    learned = fit(frame)
    holed = frame.assign(setting_2=frame["setting_2"].where(frame.index != 7))
    normalised = learned.normalise(columns(holed), ["s1"])["s1~regime"]
    assert np.flatnonzero(np.isnan(normalised)).tolist() == [7]
    assert fit(holed).centres is not None


def test_one_regime_is_plain_standardisation() -> None:
    """Where the settings do not vary there is one regime, however many were requested."""
    frame = telemetry(3, k=1).assign(setting_1=20.0, setting_2=0.5)
    learned = fit(frame, k=6)
    assert len(learned.centres) == 1
    values = frame["s1"].to_numpy()
    assert np.allclose(learned.normalise(columns(frame), ["s1"])["s1~regime"], (values - values.mean()) / values.std())


def test_regimes_need_settings(history_of: HistoryOf) -> None:
    """Regimes of a machine none of whose channels looks like a setting need operating channels to be named."""
    with pytest.raises(UsageError, match="operating"):
        fit_recipe(history_of(0), windows=[pd.Timedelta("5h")], regimes=3)
    with pytest.raises(UsageError, match="at least one"):
        fit(telemetry(1).head(0))


def test_normalised_channels_replace_or_join(history_of: HistoryOf) -> None:
    """Normalised channels stand for the raw ones or beside them; the operating channel itself stays raw."""
    recipes: dict[str, Recipe] = {
        how: fit_recipe(
            history_of(0), windows=[pd.Timedelta("5h")], regimes=2, operating=["speed"], regime_channels=how
        )
        for how in ("replace", "join")
    }
    assert recipes["replace"].channels == ("speed", "power~regime", "heat~regime")
    assert recipes["join"].channels == ("speed", "power", "heat", "power~regime", "heat~regime")
    assert recipes["replace"].measured_channels == ("speed", "power", "heat")
