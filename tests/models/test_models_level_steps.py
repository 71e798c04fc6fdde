"""Steps of levels: sharp, lasting and even; what climbs, passes or concerns everyone is no step of an asset."""

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
    """Return daily levels of two channels: noise about each asset's own level, and what is added to m00's voltage."""
    rng = np.random.default_rng(seed)
    own = rng.normal(50, 20, (2, len(ASSETS)))
    values = own[:, None, :] + rng.normal(0, 1, (2, DAYS, len(ASSETS)))
    if add is not None:
        values[0] += add
    index = pd.MultiIndex.from_product([START + np.arange(DAYS) * DAY, ASSETS], names=["day", "asset"])
    frame = pd.DataFrame({"volt": values[0].ravel(), "amp": values[1].ravel()}, index=index)
    return frame.swaplevel().sort_index()


def of_one(course):
    """Return what is added when only the first asset takes a course, shape (n_days, n_assets)."""
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


def found(frame):
    each = list(deviations(frame, END))
    return asset_shifts(each, END, RULE), fleet_shifts(each, END, RULE)


@pytest.mark.parametrize("height", [6.0, -4.0])
def test_a_step_is_found(height):
    """A lasting step of one asset is found on its channel, dated within two days, with its height."""
    steps, everywhere = found(levels(add=of_one(np.where(AFTER >= 0, height, 0))))
    assert [(step.asset, step.channel) for step in steps] == [("m00", "volt")]
    assert abs(steps[0].since - (START + STEP * DAY)) <= 2 * DAY
    assert steps[0].height == pytest.approx(height, rel=0.4)
    assert everywhere == ()


@pytest.mark.parametrize("course", COURSES)
def test_what_is_no_step(course):
    """What climbs, passes, is small, or was there when the model learned, is no step."""
    assert found(levels(add=of_one(COURSES[course]))) == ((), ())


def test_noise_makes_no_steps():
    """Of 40 fleets in which nothing happens, about the declared share at most has a false step."""
    false = [found(levels(seed)) for seed in range(40)]
    assert sum(bool(steps) for steps, _ in false) <= 4
    assert not any(everywhere for _, everywhere in false)


def test_what_all_assets_take_is_the_fleets():
    """A step of every asset is the fleet's, and no asset's own; a season is neither."""
    steps, everywhere = found(levels(add=np.where(AFTER >= 0, 3.0, 0)[:, None]))
    assert steps == ()
    assert [step.channel for step in everywhere] == ["volt"]
    assert abs(everywhere[0].since - (START + STEP * DAY)) <= 2 * DAY
    season = 5 * np.sin(2 * np.pi * np.arange(DAYS) / 365)[:, None]
    assert found(levels(add=season)) == ((), ())


def test_a_third_of_the_fleet_is_not_the_fleet():
    """Steps of a third of the assets are these assets' own."""
    added = np.where(AFTER >= 0, 6.0, 0)[:, None] * (np.arange(len(ASSETS)) < 7)
    steps, everywhere = found(levels(add=added))
    assert {step.asset for step in steps} >= set(ASSETS[:6])
    assert {step.asset for step in steps} <= set(ASSETS[:7])
    assert everywhere == ()


def test_not_quite_half_of_the_fleet_is_not_the_fleet():
    """Steps of nine of twenty assets move the fleet's median day by day, and are still not the process."""
    added = np.where(AFTER >= 0, 6.0, 0)[:, None] * (np.arange(len(ASSETS)) < 9)
    for seed in range(5):
        assert found(levels(seed, add=added))[1] == ()


def test_units_do_not_matter():
    """Channels in other units have the same steps."""
    frame = levels(add=of_one(np.where(AFTER >= 0, 6.0, 0)))
    scaled = found(frame * 1024.0 + 4096.0)[0]
    for one, other in zip(found(frame)[0], scaled, strict=True):
        assert (one.asset, one.since) == (other.asset, other.since)
        assert one.height == pytest.approx(other.height)


def test_gaps_and_strangers_are_borne():
    """Days without telemetry, channels without a level and assets that are new lead to no error and no step."""
    frame = levels(add=of_one(np.where(AFTER >= 0, 6.0, 0)))
    days = frame.index.get_level_values("day")
    frame = frame[~days.isin([START + day * DAY for day in (60, 71, 80, 81)])]
    new = frame.loc[["m05"]].rename(index={"m05": "new"})
    frame = pd.concat([frame, new[new.index.get_level_values("day") > END]]).sort_index().assign(dead=np.nan, flat=1.0)
    assert [(step.asset, step.channel) for step in found(frame)[0]] == [("m00", "volt")]
    assert found(frame.iloc[:0]) == ((), ())
