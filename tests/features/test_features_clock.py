"""How durations and times are written."""

import re
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.contract.contract import load_contract
from data_contracts.contract.file_layout import FileLayout
from features.clock import TIME, Clock, clock_of
from features.names import SINCE_START, format_duration

START = pd.Timestamp("2010-05-01", tz="UTC")
BY_CYCLE = Clock(pd.Timedelta("10min"), START)
UNITS = {"hours": 1.0, "minutes": 1 / 60, "seconds": 1 / 3600}


@given(st.floats(1e-6, 1e6))
def test_no_amount_is_nothing_but_rounding(hours: float) -> None:
    """A duration of milliseconds or more is never written as 0.00 of a unit, and reads back nearly as it was."""
    number, unit = TIME.amount(hours, ".3f").split()
    assert float(number) > 0
    assert float(number) * UNITS[unit] == pytest.approx(hours, rel=0.15)


def test_hours_stay_hours() -> None:
    """From an hour on nothing is written in minutes."""
    assert [TIME.unit([hours]).name for hours in (1.0, 48.0, 5000.0)] == ["hour"] * 3
    assert [TIME.unit(hours).name for hours in ([0.0], [], [float("nan")], [0.5, 2.0])] == ["hour"] * 4
    assert [TIME.unit([hours]).name for hours in (0.99, 0.04, 0.03, 0.0003)] == ["minute", "minute", "second", "second"]


@given(st.integers(0, 100_000))
def test_cycles_are_counted(number: int) -> None:
    """The cycle of an instant, and of a duration, is how often a cycle goes into it; no date is left."""
    assert BY_CYCLE.cycle is not None
    span = number * BY_CYCLE.cycle
    written = [
        BY_CYCLE.instant(START + span),
        BY_CYCLE.duration(span),
        BY_CYCLE.amount(span / pd.Timedelta("1h"), ",g"),
    ]
    assert [int(re.sub(r"\D", "", text)) for text in written] == [number] * 3
    assert not re.search(r"hour|UTC|-|:", " ".join([*written, BY_CYCLE.moment(START + span)]))


def test_one_cycle_is_no_plural() -> None:
    assert (BY_CYCLE.duration(pd.Timedelta("10min")), BY_CYCLE.duration(pd.Timedelta("5min"))) == (
        "1 cycle",
        "0.5 cycles",
    )


@given(st.integers(1, 10**12))
def test_durations_of_times_are_as_ever(microseconds: int) -> None:
    """Where times are times, a configured duration is written so that it reads back."""
    duration = pd.Timedelta(microseconds=microseconds)
    assert TIME.duration(duration) == format_duration(duration)
    assert TIME.duration(SINCE_START) == BY_CYCLE.duration(SINCE_START) == "start"


def test_a_contract_says_what_its_times_are() -> None:
    """By its clock; how long a cycle is, and where the first one is, by the layout of its files."""
    azure, turbofan = load_contract("telemetry_azure_machine"), load_contract("telemetry_turbofan")
    assert clock_of(None) == clock_of(azure) == TIME
    assert clock_of(turbofan) == Clock(pd.Timedelta("1h"), pd.Timestamp("2000-01-01", tz="UTC"))
    layout = FileLayout(cycle="10min", start="2010-05-01")
    assert clock_of(replace(azure, clock="cycle", file_layout=layout)) == BY_CYCLE
    assert clock_of(replace(azure, file_layout=layout)) == TIME


@pytest.mark.parametrize("clock", [TIME, BY_CYCLE])
def test_a_clock_survives_json(clock: Clock) -> None:
    assert Clock.from_dict(clock.to_dict()) == clock
    assert bool(clock.to_dict()) == (clock is BY_CYCLE)
