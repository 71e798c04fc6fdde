"""Level shifts: sharp, lasting and even; what climbs, passes or concerns all assets is no shift of one."""

import numpy as np
import pandas as pd
import pytest

from models.diagnosis.level_shifts import LevelShiftRule, asset_shifts, deviations, fleet_shifts

START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
DAY = pd.Timedelta(days=1)
REFERENCE, DAYS, STEP = 50, 100, 70
ASSETS = [f"m{number:02d}" for number in range(20)]
END = START + REFERENCE * DAY
RULE = LevelShiftRule()


def levels(seed=0, add=None):
    """Return daily levels of two channels: noise about each asset's own level, and `add` on the voltage."""
    rng = np.random.default_rng(seed)
    own = rng.normal(50, 20, (2, len(ASSETS)))
    values = own[:, None, :] + rng.normal(0, 1, (2, DAYS, len(ASSETS)))
    if add is not None:
        values[0] += add
    index = pd.MultiIndex.from_product([START + np.arange(DAYS) * DAY, ASSETS], names=["day", "asset"])
    frame = pd.DataFrame({"volt": values[0].ravel(), "amp": values[1].ravel()}, index=index)
    return frame.swaplevel().sort_index()


def of_one(course):
    """Return a course of the first asset and zero for all others, shape (n_days, n_assets)."""
    added = np.zeros((DAYS, len(ASSETS)))
    added[:, 0] = course
    return added


AFTER = np.arange(DAYS) - STEP
COURSES = {
    "a climb": np.clip(AFTER / 30, 0, 1) * 6,
    "a climb and a repair": np.where(AFTER < 20, np.clip(AFTER / 20, 0, 1) * 6, 0),
    "a week": np.where((AFTER >= 0) & (AFTER < 7), 6, 0),
    "in the reference period": np.where(np.arange(DAYS) >= 30, 6, 0),
    "too small": np.where(AFTER >= 0, 1, 0),
}


def shifts(frame):
    """Return the shifts of single assets and those of the fleet."""
    channels = list(deviations(frame, END))
    return asset_shifts(channels, END, RULE), fleet_shifts(channels, END, RULE)


@pytest.mark.parametrize("height", [6.0, -4.0])
def test_a_shift_is_found(height):
    """A lasting shift of one asset is found on its channel, dated within two days, with its height."""
    of_assets, of_fleet = shifts(levels(add=of_one(np.where(AFTER >= 0, height, 0))))
    assert [(shift.asset, shift.channel) for shift in of_assets] == [("m00", "volt")]
    assert abs(of_assets[0].since - (START + STEP * DAY)) <= 2 * DAY
    assert of_assets[0].height == pytest.approx(height, rel=0.4)
    assert of_fleet == ()


@pytest.mark.parametrize("course", COURSES)
def test_other_courses_are_no_shift(course):
    """What climbs, passes, is small, or was there when the model was trained, is no shift."""
    assert shifts(levels(add=of_one(COURSES[course]))) == ((), ())


def test_noise_makes_no_shifts():
    """Of 40 fleets in which nothing happens, about the declared share at most has a false shift."""
    false = [shifts(levels(seed)) for seed in range(40)]
    assert sum(bool(of_assets) for of_assets, _ in false) <= 4
    assert not any(of_fleet for _, of_fleet in false)


def test_a_shift_of_all_assets_is_the_fleets():
    """A shift of every asset is the fleet's, and no asset's own; a season is neither."""
    of_assets, of_fleet = shifts(levels(add=np.where(AFTER >= 0, 3.0, 0)[:, None]))
    assert of_assets == ()
    assert [shift.channel for shift in of_fleet] == ["volt"]
    assert abs(of_fleet[0].since - (START + STEP * DAY)) <= 2 * DAY
    season = 5 * np.sin(2 * np.pi * np.arange(DAYS) / 365)[:, None]
    assert shifts(levels(add=season)) == ((), ())


def test_a_third_of_the_fleet_is_not_the_fleet():
    """Shifts of a third of the assets are these assets' own."""
    added = np.where(AFTER >= 0, 6.0, 0)[:, None] * (np.arange(len(ASSETS)) < 7)
    of_assets, of_fleet = shifts(levels(add=added))
    assert {shift.asset for shift in of_assets} >= set(ASSETS[:6])
    assert {shift.asset for shift in of_assets} <= set(ASSETS[:7])
    assert of_fleet == ()


def test_not_quite_half_of_the_fleet_is_not_the_fleet():
    """Shifts of nine of twenty assets move the fleet's median day by day, and are still not the process."""
    added = np.where(AFTER >= 0, 6.0, 0)[:, None] * (np.arange(len(ASSETS)) < 9)
    for seed in range(5):
        assert shifts(levels(seed, add=added))[1] == ()


def test_units_do_not_matter():
    """Channels in other units have the same shifts."""
    frame = levels(add=of_one(np.where(AFTER >= 0, 6.0, 0)))
    scaled = shifts(frame * 1024.0 + 4096.0)[0]
    for one, other in zip(shifts(frame)[0], scaled, strict=True):
        assert (one.asset, one.since) == (other.asset, other.since)
        assert one.height == pytest.approx(other.height)


def test_gaps_and_new_assets_are_tolerated():
    """Days without telemetry, channels without a level and new assets lead to no error and no shift."""
    frame = levels(add=of_one(np.where(AFTER >= 0, 6.0, 0)))
    days = frame.index.get_level_values("day")
    frame = frame[~days.isin([START + day * DAY for day in (60, 71, 80, 81)])]
    new = frame.loc[["m05"]].rename(index={"m05": "new"})
    frame = pd.concat([frame, new[new.index.get_level_values("day") > END]]).sort_index().assign(dead=np.nan, flat=1.0)
    assert [(shift.asset, shift.channel) for shift in shifts(frame)[0]] == [("m00", "volt")]
    assert shifts(frame.iloc[:0]) == ((), ())
