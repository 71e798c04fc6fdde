"""Channels that behave as counters do."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.diagnosis.counter_signs import CounterSigns, counter_signs, restarts


def signs(*series: np.ndarray) -> CounterSigns:
    """Count the steps of the same channel on several assets."""
    asset = np.repeat(np.arange(len(series)), [len(each) for each in series])
    return counter_signs(np.concatenate(series), asset)


def test_a_counter_that_rolls_over_is_recognised_with_its_end() -> None:
    """It rises nearly always, and its falls lead to near 0 from close below a round number."""
    counted = np.cumsum(np.full(240, 37.0)) + 65_000
    found = signs(counted % 65_536, 1000 + np.arange(240.0))
    assert found.is_counter
    assert (found.falls, found.restarts, found.rollover) == (1, 1, 65_536.0)


@pytest.mark.parametrize("reset_every", [9, 24, 100])
def test_a_counter_that_is_reset_is_recognised(reset_every: int) -> None:
    """Pieces of a shift start again from 0; nothing says that they roll over."""
    pieces = np.random.default_rng(3).poisson(40, 600).astype(float)
    shift = np.arange(600) // reset_every
    counted = np.concatenate([np.cumsum(pieces[shift == number]) for number in range(shift.max() + 1)])
    found = signs(counted)
    assert found.is_counter == (reset_every > 20)  # after eight rises, a fall is one step in nine
    assert found.rollover is None


def test_idle_times_and_late_readings_do_not_hide_a_counter() -> None:
    """A start a day, read every hour, with one reading that came late among thousands of rises."""
    counted = np.cumsum(np.arange(30_000) % 24 == 0).astype(float)
    counted[15_000] -= 1
    assert signs(counted).is_counter


def ordinary(random: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    time = np.arange(n, dtype=float)
    noise = random.standard_normal(n)
    return {
        "noise": noise,
        "walk": np.cumsum(noise),
        "drift": 0.3 * time + noise,
        "day": 5 * np.sin(2 * np.pi * time / 24) + 0.1 * noise,
        "wear": np.exp(time % 80 / 80) + 0.02 * noise,
        "quantised": np.round(noise),
        "warming up": np.round(100 * (1 - np.exp(-time / (n / 8))), 1),
        "running away": np.round(np.exp(8 * time / n), 2),
        "on and off": np.floor(time / 50) % 2 * 40 + noise,
        "setpoint": np.floor(time / 30) % 4,
        "emptied": 100 - time % 100,
        "below zero": time - n / 2,
    }


@given(st.integers(0, 2**32 - 1), st.integers(60, 3000))
def test_ordinary_channels_are_no_counters(seed: int, n: int) -> None:
    """Neither noise, drifts and cycles, nor what settles or runs away."""
    for name, values in ordinary(np.random.default_rng(seed), n).items():
        shifted = values if name == "below zero" else values - values.min()
        assert not signs(shifted).is_counter, name


@example([2, 3], 0, 1)  # the first block only falls
@given(st.lists(st.integers(2, 40), min_size=1, max_size=6), st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_blocks_of_assets_add_up(lengths: list[int], seed: int, cut: int) -> None:
    """Counting block by block and adding gives what counting at once does, but for what a restart is measured by."""
    random = np.random.default_rng(seed)
    series = [random.integers(0, 50, length).astype(float) for length in lengths]
    cut = min(cut, len(series))
    together, apart = (
        signs(*series),
        signs(*series[:cut]) + (signs(*series[cut:]) if cut < len(series) else CounterSigns()),
    )
    assert (together.rises, together.falls, together.assets) == (apart.rises, apart.falls, apart.assets)
    assert together.lowest == apart.lowest
    assert together.first_half == pytest.approx(apart.first_half)


def test_restarts_are_placed_at_the_value_after_the_fall() -> None:
    """The change from one asset to the next is none."""
    values = np.concatenate([np.arange(100.0), [1.0, 2.0], [500.0, 501.0], [3.0, 4.0]])
    asset = np.repeat([0, 1, 2], [102, 2, 2])
    assert restarts(values, asset).tolist() == [100]
