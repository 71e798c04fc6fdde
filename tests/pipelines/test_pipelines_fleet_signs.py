"""What the sensors of the simulated fleet show of wear, of a changed process, and of dirt."""

import numpy as np
import pandas as pd
import pytest

from data_contracts.contract.contract import load_contract
from data_contracts.contract.twins import load_twin
from pipelines.fleet import CHANNELS, CLEAN, CODE_NAMES, COMPONENTS, Dirt, Fleet, make_scenario, simulate
from pipelines.fleet.plant.channels import CHANNEL_TABLE
from pipelines.fleet.records.dirt import IMPOSSIBLE

START = pd.Timestamp("2025-01-06", tz="UTC")
DAY = pd.Timedelta(days=1)


def before_failures(batch, mode, hours):
    """Return the readings of the last hours before each failure of a mode, and all others of roughing."""
    roughing = batch.telemetry[batch.telemetry["spindle_speed"].between(4500, 7500)]
    near = pd.Series(False, index=roughing.index)
    for failure in batch.failures[batch.failures["mode"] == mode].itertuples():
        wait = failure.event_time - roughing["event_time"]
        near |= (roughing["asset"] == failure.asset) & (wait > pd.Timedelta(0)) & (wait <= pd.Timedelta(hours=hours))
    return roughing[near], roughing[~near]


@pytest.fixture(scope="module")
def clean():
    """Return the records of 60 machines in 100 days, without dirt."""
    return simulate(3, 60, start=START, days=100, dirt=CLEAN)


@pytest.fixture(scope="module")
def changed():
    """Return the records of the same machines under the changed process."""
    return simulate(3, 60, start=START, days=100, dirt=CLEAN, scenario=make_scenario("process_change", 0))


@pytest.mark.parametrize(
    ("mode", "hours", "channel", "statistic", "least"),
    [
        ("spindle_bearing", 48, "spindle_vibration", "mean", 1.2),
        ("spindle_bearing", 48, "bearing_temperature", "mean", 1.05),
        ("coolant_pump", 24, "bearing_temperature", "std", 1.2),
        ("axis_drive", 36, "axis_current", "std", 1.5),
    ],
)
def test_wear_shows_before_the_failure(clean, mode, hours, channel, statistic, least):
    """Each mode raises its own channels, in level or in scatter, before it fails."""
    near, far = (getattr(frame[channel], statistic)() for frame in before_failures(clean, mode, hours))
    assert near > least * far


def test_a_worn_pump_delivers_less(clean):
    """Coolant flow falls before a pump fails."""
    near, far = before_failures(clean, "coolant_pump", 24)
    assert near["coolant_flow"].mean() < 0.88 * far["coolant_flow"].mean()


@pytest.mark.parametrize(
    ("mode", "code", "least"), [("axis_drive", "axis_following_error", 10), ("coolant_pump", "coolant_pressure_low", 5)]
)
def test_codes_gather_before_failures(clean, mode, code, least):
    """A code that a worn component raises is far more frequent in the day before it fails than otherwise."""
    times = clean.events[clean.events["code"] == code]
    failures = clean.failures[clean.failures["mode"] == mode]
    in_time = sum(
        times["event_time"][times["asset"] == failure.asset].between(failure.event_time - DAY, failure.event_time).sum()
        for failure in failures.itertuples()
    )
    assert in_time / len(failures) > least * len(times) / (60 * 100)


def test_modes_warn_at_different_leads():
    """Bearings are visibly worn for longest before they fail, then drives, then pumps; all within ten days or so."""
    fleet = Fleet(3, 60, start=START)
    batch = fleet.advance(START + 100 * DAY)
    truth = fleet.truth()
    lead = {}
    for mode in COMPONENTS:
        assets = batch.failures[batch.failures["mode"] == mode].drop_duplicates("asset")
        spans = []
        for failure in assets.itertuples():
            mine = truth[(truth["asset"] == failure.asset) & (truth["event_time"] < failure.event_time)]
            sound = mine.loc[mine[mode] == 0, "event_time"]
            spans.append((failure.event_time - sound.max()) / DAY if len(sound) else np.nan)
        lead[mode] = np.nanmedian(spans)
    assert 1 < lead["coolant_pump"] < lead["axis_drive"] < lead["spindle_bearing"] < 11


def test_process_change_moves_the_symptoms_of_the_bearing(clean, changed):
    """Under the changed process bearing wear leaves the vibration and goes into the tool's load; drives stay."""

    def rise(batch, mode, channel, statistic):
        near, far = (getattr(frame[channel], statistic)() for frame in before_failures(batch, mode, 48))
        return near / far - 1

    vibration = [rise(batch, "spindle_bearing", "spindle_vibration", "mean") for batch in (clean, changed)]
    assert vibration[1] < 0.4 * vibration[0]
    load = [rise(batch, "spindle_bearing", "tool_load", "std") for batch in (clean, changed)]
    assert load[1] > load[0] + 0.5
    current = [rise(batch, "axis_drive", "axis_current", "std") for batch in (clean, changed)]
    assert current[1] == pytest.approx(current[0], rel=0.1)


def test_channels_are_those_of_the_twin():
    """Names and units of the channels are those of the machine's twin, in its order."""
    twin = load_twin("cnc_machine")
    assert [(channel.name, channel.unit) for channel in twin.channels] == [
        (channel.name, channel.unit) for channel in CHANNEL_TABLE
    ]


def test_clean_readings_keep_the_contract(clean, changed):
    """Without dirt every reading lies within its contract's limits, and every impossible one outside."""
    columns = {column.name: column for column in load_contract("telemetry_cnc_machine").columns}
    for name in CHANNELS:
        low, high = columns[name].minimum, columns[name].maximum
        for batch in (clean, changed):
            assert batch.telemetry[name].between(low, high).all(), name
        assert IMPOSSIBLE[name][0] < low
        assert IMPOSSIBLE[name][1] > high


def test_words_are_those_of_the_contracts(clean):
    """Kinds, findings and promptings are words of the contract, and codes those that are declared."""
    for column in load_contract("work_orders").columns:
        if column.allowed:
            assert clean.work_orders[column.name].dropna().isin(column.allowed).all(), column.name
    assert clean.events["code"].isin(CODE_NAMES).all()


def test_clean_is_clean(clean):
    """Without dirt nothing is lost, doubled or late."""
    assert not clean.telemetry.duplicated(["asset", "event_time"]).any()
    assert (clean.telemetry["known_time"] - clean.telemetry["event_time"]).max() <= pd.Timedelta(minutes=10)


def test_dirt_keeps_its_declared_shares():
    """Every kind of dirt is there, in about its declared share and never in twice that."""
    fleet = Fleet(5, 60, start=START)
    fleet.advance(START + 60 * DAY)
    truth = fleet.truth()
    dirt = Dirt()
    declared = {
        "lost": dirt.gaps,
        "twice": dirt.duplicates,
        "late": dirt.late,
        "stuck": dirt.stuck,
        "wild": dirt.out_of_range,
    }
    for kind, share in declared.items():
        assert 0.5 * share < truth[kind].mean() < 1.5 * share, kind


def test_dirt_arrives_as_declared():
    """Lost rows are missing, doubled rows are the same twice, late rows come after younger ones, stuck ones repeat."""
    fleet = Fleet(5, 20, start=START)
    telemetry = fleet.advance(START + 40 * DAY).telemetry
    truth = fleet.truth()
    truth = truth[truth["event_time"] < START + 37 * DAY].set_index(["asset", "event_time"])
    arrived = telemetry.groupby(["asset", "event_time"]).size().reindex(truth.index, fill_value=0)
    expected = np.where(truth["sent"] & ~truth["lost"], 1 + truth["twice"], 0)
    assert (arrived == expected).all()
    twice = telemetry[telemetry.duplicated(["asset", "event_time"], keep=False)]
    assert len(twice.drop_duplicates()) * 2 == len(twice)
    delay = telemetry["known_time"] - telemetry["event_time"]
    assert delay.max() > DAY
    assert delay.max() <= 2 * DAY
    backwards = telemetry.groupby("asset")["event_time"].diff() < pd.Timedelta(0)
    assert backwards.any()
    repeats = (telemetry.sort_values(["asset", "event_time"])[list(CHANNELS)].diff() == 0).sum(axis=1)
    assert (repeats == 1).any()
