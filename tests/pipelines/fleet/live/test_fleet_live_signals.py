"""The signals of the live plant: pure functions of seed, asset, second and wear, and physically plausible."""

import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import telemetry_contract
from data_contracts.contract.twins import load_twin
from data_contracts.errors import NotFoundError, UsageError
from pipelines.fleet.live.machines.bearing_lives import SHORT_REPAIR, failures_between, wear_at
from pipelines.fleet.live.machines.live_plant import CHANNELS, RATE, LivePlant, machine_of, make_live_plant, wear_out
from pipelines.fleet.live.machines.plant_second import plant_second, plant_seconds
from pipelines.fleet.live.machines.schedule import hour_schedule
from pipelines.fleet.live.machines.signals import signals

SECOND = 1_795_000_000
HOUR = 3600
PLANT = make_live_plant(7, 12)
rows = st.lists(
    st.tuples(st.integers(0, 11), st.integers(SECOND, SECOND + 3 * HOUR), st.floats(0, 1)), min_size=1, max_size=40
)


def _signals(plant: LivePlant, wanted: list[tuple[int, int, float]]) -> np.ndarray:
    machines, seconds, wear = (np.array(column) for column in zip(*wanted, strict=True))
    return signals(plant, machines, seconds, wear, wear)


@settings(max_examples=60, deadline=None)
@given(wanted=rows, order=st.randoms(use_true_random=False), cut=st.integers(0, 40))
def test_any_batching_gives_the_same_bits(wanted: list[tuple[int, int, float]], order: random.Random, cut: int) -> None:
    """Together, in another order, in pieces or in a plant made anew: a machine's second has the same bits."""
    together = _signals(PLANT, wanted)
    shuffled = list(range(len(wanted)))
    order.shuffle(shuffled)
    pieces = [part for part in (shuffled[:cut], shuffled[cut:]) if part]
    apart = np.concatenate([_signals(PLANT, [wanted[row] for row in part]) for part in pieces])
    assert np.array_equal(apart, together[shuffled])
    larger = make_live_plant(7, 20)  # after a restart, and with more machines
    alone = _signals(larger, wanted[:1])
    assert np.array_equal(alone, together[:1])


def test_consecutive_seconds_are_those_computed_one_by_one() -> None:
    """History written faster than real time has the bits that were sent live, whichever second it begins with."""
    wear_out(plant := make_live_plant(3, 5), "cnc-002", _time(SECOND), pd.Timedelta("20s"))
    many = {each.second: each for each in plant_seconds(plant, SECOND, SECOND + 90)}
    later = {each.second: each for each in plant_seconds(plant, SECOND + 13, SECOND + 61)}
    assert list(many) == list(range(SECOND, SECOND + 90))
    for second in (SECOND, SECOND + 19, SECOND + 20, SECOND + 60):
        single = plant_second(plant, second)
        for other in (many[second], *([later[second]] if second in later else [])):
            assert np.array_equal(single.machines, other.machines)
            assert np.array_equal(single.readings, other.readings)
    assert 1 not in many[SECOND + 20].machines
    assert 1 in many[SECOND + 19].machines


def test_seed_asset_and_second_matter() -> None:
    """No two machine-seconds have the same noise."""
    base = _signals(PLANT, [(0, SECOND, 0.0)])
    for other in (_signals(PLANT, [(1, SECOND, 0.0)]), _signals(PLANT, [(0, SECOND + 60, 0.0)])):
        assert not np.array_equal(base, other)
    assert not np.array_equal(base, _signals(make_live_plant(8, 1), [(0, SECOND, 0.0)]))


def test_single_precision_holds_every_reading() -> None:
    """So that payloads of four bytes a reading lose nothing."""
    readings = np.concatenate([each.readings for each in plant_seconds(PLANT, SECOND, SECOND + 200)])
    assert np.array_equal(readings.astype(np.float32).astype(np.float64), readings)


def test_readings_keep_the_contract() -> None:
    """Of new and of worn bearings, in every regime; in the twin's order."""
    contract = telemetry_contract("cnc_signals")
    assert contract.channels == CHANNELS == tuple(channel.name for channel in load_twin("cnc_signals").channels)
    assert len(CHANNELS) == 8
    for wear in (0.0, 1.0):
        readings = _signals(PLANT, [(machine, SECOND + 7 * k, wear) for machine in range(12) for k in range(90)])
        assert readings.shape[2] == RATE
        for index, name in enumerate(CHANNELS):
            column = contract.column(name)
            assert column is not None
            assert column.minimum is not None
            assert column.maximum is not None
            assert readings[:, index].min() >= column.minimum
            assert readings[:, index].max() <= column.maximum
            assert readings[:, index].std() > 0


def test_a_worn_bearing_shows_its_tone() -> None:
    """The spectrum of the vibration has the rotation at any wear, and the defect's tone in proportion to its square."""
    machine, second = _steady(PLANT)
    amplitudes = {}
    for wear in (0.0, 0.5, 1.0):
        vibration = np.concatenate([_signals(PLANT, [(machine, second + k, wear)])[0, 0] for k in range(20)])
        amplitudes[wear] = np.abs(np.fft.rfft(vibration * np.hanning(len(vibration)))) * 4 / len(vibration)
    speed = hour_schedule(PLANT, second // HOUR).speed[machine, second % HOUR // 60]
    rotation, tone = round(speed * 20), round(speed * PLANT.defect_order[machine] * 20)
    assert amplitudes[0.0][rotation - 1 : rotation + 2].max() > 5 * np.median(amplitudes[0.0])
    peak = {wear: spectrum[tone - 1 : tone + 2].max() for wear, spectrum in amplitudes.items()}
    assert peak[0.0] < 0.2
    assert peak[1.0] > 1.5
    assert peak[1.0] / peak[0.5] == pytest.approx(4.0, rel=0.2)


def test_the_rotation_goes_on_across_minutes_and_hours() -> None:
    """Where one hour ends the next begins at the same angle and speed."""
    for hour in range(SECOND // HOUR, SECOND // HOUR + 4):
        before, after = hour_schedule(PLANT, hour), hour_schedule(PLANT, hour + 1)
        ends = before.revolutions[:, -1] + 60 * before.speed[:, -1] + before.speed_before[:, -1] - before.speed[:, -1]
        np.testing.assert_allclose(ends, np.rint(ends), atol=1e-6)
        np.testing.assert_allclose(after.speed_before[:, 0], before.speed[:, -1], rtol=1e-3, atol=1e-9)
        np.testing.assert_allclose(after.heat[:, 0], before.heat_after[:, -1], atol=0.05)


def test_bearings_warm_up_with_the_work() -> None:
    """The temperature follows the load of the last hour, slowly: it moves by less than half a degree a minute."""
    heat = np.concatenate([hour_schedule(PLANT, SECOND // HOUR + k).heat for k in range(6)], axis=1)
    load = np.concatenate([hour_schedule(PLANT, SECOND // HOUR + k).load for k in range(6)], axis=1)
    assert np.abs(np.diff(heat, axis=1)).max() < 0.6
    felt = np.stack([load[:, k : k + 60].mean(axis=1) for k in range(300)], axis=1)
    assert np.corrcoef(felt.ravel(), heat[:, 60:].ravel())[0, 1] > 0.8


@settings(max_examples=40, deadline=None)
@given(machine=st.integers(0, 11), ahead=st.integers(0, 40 * 24 * HOUR), within=st.integers(1, 5000))
def test_wearing_out_ends_in_a_failure_and_changes_no_past(machine: int, ahead: int, within: int) -> None:
    """The wear grows from what it was to 1, the machine then stands for half an hour, and a new bearing begins."""
    plant, begin = make_live_plant(7, 12), SECOND + ahead
    since = np.arange(begin - 90 * 24 * HOUR, begin, 7 * HOUR)
    machines = np.full(len(since), machine)
    before = wear_at(plant.lives, machines, since)
    others = failures_between(plant.lives, SECOND, SECOND + 100 * 24 * HOUR)
    was, stood = wear_at(plant.lives, np.array([machine]), np.array([begin]))
    wear_out(plant, plant.assets[machine], _time(begin), pd.Timedelta(within, unit="s"))
    after = wear_at(plant.lives, machines, since)
    assert all(np.array_equal(left, right) for left, right in zip(before, after, strict=True))
    times = np.array([begin, begin + within - 1, begin + within, begin + within + SHORT_REPAIR])
    wear, stands = wear_at(plant.lives, np.full(4, machine), times)
    assert wear[0] == (0.0 if stood[0] else was[0])
    assert stands.tolist() == [False, False, True, False]
    assert wear[2] == 1.0
    assert wear[3] == 0.0
    failures = failures_between(plant.lives, SECOND, SECOND + 100 * 24 * HOUR)
    assert (machine, begin + within, begin + within + SHORT_REPAIR) in failures
    assert [each for each in failures if each[0] != machine] == [each for each in others if each[0] != machine]


def test_wear_grows_until_each_failure() -> None:
    """Over a year every machine fails some times, from wear that only grew in between; it stands for some hours."""
    plant, year = make_live_plant(5, 3), 365 * 24 * HOUR
    failures = failures_between(plant.lives, SECOND, SECOND + year)
    assert {machine for machine, _, _ in failures} == {0, 1, 2}
    assert 10 < len(failures) / 3 < 80
    assert all(2 * HOUR <= repaired - failed <= 12 * HOUR for _, failed, repaired in failures)
    for machine, failed, _ in failures[:10]:
        times = np.arange(failed - 2 * 24 * HOUR, failed, HOUR)
        wear, stands = wear_at(plant.lives, np.full(len(times), machine), times)
        assert not stands.any()
        assert (np.diff(wear) > 0).all()
        assert wear[-1] > 0.9


def test_what_is_not_there_is_named() -> None:
    """Unknown machines, plants without machines and no time at all are wrong usage."""
    with pytest.raises(NotFoundError, match="cnc-001 to cnc-012"):
        machine_of(PLANT, "cnc-013")
    with pytest.raises(UsageError, match="a plant of 0 machines"):
        make_live_plant(7, 0)
    with pytest.raises(UsageError, match="at least a second"):
        wear_out(make_live_plant(7, 1), "cnc-001", _time(SECOND), pd.Timedelta(0))


def _time(second: int) -> pd.Timestamp:
    return pd.Timestamp(second, unit="s", tz="UTC")


def _steady(plant: LivePlant) -> tuple[int, int]:
    """Return a machine and a second from which on the spindle turns at one speed for half a minute."""
    hour = SECOND // HOUR
    schedule = hour_schedule(plant, hour)
    machine, minute = np.argwhere((schedule.speed > 10.0) & (schedule.load > 0.0))[0]
    return int(machine), hour * HOUR + int(minute) * 60 + 10
