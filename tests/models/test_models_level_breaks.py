"""Breaks of a channel's level within one asset's readings."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.signal import lfilter

from models.diagnosis.level_breaks import level_break

HOUR = 3_600_000_000


def hourly(values: np.ndarray, hours: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    return values, (np.arange(len(values)) if hours is None else hours) * HOUR


def noise(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n)


def test_a_lasting_step_is_found_where_it_is() -> None:
    """From one reading to the next, with the levels before and after."""
    values = noise(240) + np.where(np.arange(240) < 108, 60.0, 35.0)
    found = level_break(*hourly(values))
    assert found is not None
    assert found.position == 108
    assert (found.before, found.after) == (pytest.approx(60, abs=0.5), pytest.approx(35, abs=0.5))


def test_a_step_in_many_readings_is_found_to_the_reading() -> None:
    """Long series are looked through in blocks."""
    values = noise(30_011) + np.where(np.arange(30_011) < 12_345, 0.0, -20.0)
    found = level_break(*hourly(values))
    assert found is not None
    assert abs(found.position - 12_345) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_what_comes_back_or_creeps_is_no_break(seed: int) -> None:
    """Neither a machine that stands still, nor regimes, nor wear that is repaired, nor a spike, nor a slow climb."""
    time = np.arange(400.0)
    no_breaks = {
        "stands still": np.where(time < 300, 50 + noise(400, seed), 0.001 * noise(400, seed)),
        "regimes": noise(400, seed) + 30 * (time // 100 % 2),
        "wear": noise(400, seed) + np.exp(time % 130 / 30),
        "spike": noise(400, seed) + 500 * np.isin(time, [100, 101]),
        "climb": noise(400, seed) + np.clip(time - 180, 0, 40),
        "constant": np.full(400, 7.0),
        "setpoint": np.where(time < 200, 10.0, 30.0),
        "one quantum": np.where(noise(400, seed) + time / 25 > 8, 1.31, 1.30),
        "begin": noise(400, seed) + 40 * (time < 20),
    }
    for name, values in no_breaks.items():
        assert level_break(*hourly(values)) is None, name


def test_over_a_pause_a_drift_goes_on() -> None:
    """What moved as much in as much time is no break; a step far beyond that is, and without comparison none is."""
    hours = np.append(np.arange(200), 260 + np.arange(200))
    walk = np.cumsum(noise(460, 4))[hours] * 0.5
    assert level_break(*hourly(walk, hours)) is None
    assert level_break(*hourly(noise(400) + np.where(hours < 230, 0.0, 40.0), hours)) is not None
    far = np.append(np.arange(200), 9_000 + np.arange(200))
    assert level_break(*hourly(noise(400) + np.where(far < 230, 0.0, 40.0), far)) is None


def _ordinary(random: np.random.Generator, n: int) -> Iterator[tuple[str, np.ndarray]]:
    time = np.arange(n, dtype=float)
    white = random.standard_normal(n)
    yield "white", white
    yield "heavy tails", random.standard_t(2, n)
    yield "skew", np.exp(white)
    yield "bursts", white * np.where(random.random(n) < 0.05, 20, 1)
    yield "persistent", lfilter([1], [1, -0.9], white)
    yield "very persistent", lfilter([1], [1, -0.99], white)
    yield "walk", np.cumsum(white)
    yield "smooth walk", np.cumsum(lfilter([1], [1, -0.9], white))
    yield "walk of heavy tails", np.cumsum(random.standard_t(3, n))
    yield "drift", 0.02 * time + white
    yield "day", 5 * np.sin(2 * np.pi * time / 24) + white
    yield "season", 10 * np.sin(2 * np.pi * time / n + random.uniform(0, 6)) + white
    yield "wear", np.exp(time % random.integers(20, 200) / 40) + 0.3 * white
    yield "one life and a half", np.exp(4 * (time % (0.6 * n)) / (0.6 * n)) + 0.3 * white
    yield "stands still at last", np.where(time < 0.7 * n, 50 + white, 0.01 * white)
    yield "regimes", random.normal(0, 20, 4)[random.integers(0, 4, n)] + white
    yield "shifts", 30 * (time // 8 % 3 == 0) + white
    yield "coarse", np.round(lfilter([1], [1, -0.95], white) / 2)


@pytest.mark.verify
def test_ordinary_channels_hardly_ever_break() -> None:
    """Of each kind at most one in two hundred, with and without a pause, from sixty to five thousand readings."""
    random = np.random.default_rng(11)
    found: Counter[tuple[str, bool]] = Counter()
    for _ in range(400):
        n = int(np.exp(random.uniform(np.log(60), np.log(5000))))
        for name, values in _ordinary(random, n):
            found[name, False] += level_break(*hourly(values)) is not None
        pause = np.append(np.arange(n // 2), np.arange(n // 2, n) + random.integers(10, 2 * n))
        for name, values in _ordinary(random, int(pause[-1]) + 1):
            found[name, True] += level_break(*hourly(values[pause], pause)) is not None
    assert {kind: count for kind, count in found.items() if count > 2} == {}


@pytest.mark.verify
def test_exchanges_are_found() -> None:
    """Nearly all of fifteen times the scatter, whatever the noise and the place."""
    random = np.random.default_rng(12)
    found: Counter[str] = Counter()
    for _ in range(400):
        n = int(np.exp(random.uniform(np.log(80), np.log(5000))))
        place = int(np.clip(n * random.uniform(0.2, 0.8), 24, n - 24))
        white, time = random.standard_normal(n), np.arange(n)
        scatters = {
            "white": white,
            "persistent": np.sqrt(1 - 0.81) * lfilter([1], [1, -0.9], white),
            "day": np.sqrt(1.6) * np.sin(2 * np.pi * time / 24) + np.sqrt(0.2) * white,
        }
        for name, scatter in scatters.items():
            broken = level_break(*hourly(scatter + 15 * (time >= place)))
            found[name] += broken is not None and abs(broken.position - place) <= 2
    assert min(found.values()) >= 380, found
