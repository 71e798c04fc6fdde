"""Training without overridden and simulated values: the samples differ by those that hold some, and by no others."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from data_contracts.tables.history import History
from models.experiment.experiment import Experiment
from models.training.samples import draw_samples

DAY = pd.Timedelta("1D")
Describe = Callable[..., Experiment]
BEGIN, END = pd.Timestamp("2026-01-20T00:00Z"), pd.Timestamp("2026-01-22T00:00Z")
KEYS = ["asset", "as_of"]


@pytest.fixture
def overridden(plant: History) -> History:
    """Return the plant with two days of one machine overridden, of which an hour later was known."""
    rows = plant.telemetry
    own = rows[(rows["asset"] == "m03") & (rows["event_time"] >= BEGIN) & (rows["event_time"] < END)]
    own = own.assign(source="manual_override", volt=170.0, vibration=float("nan"))
    return replace(plant, telemetry=pd.concat([rows, own], ignore_index=True))


def keys(samples: pd.DataFrame) -> set[tuple[str, pd.Timestamp]]:
    return set(samples[KEYS].itertuples(index=False, name=None))


@pytest.mark.parametrize("horizons", [(), ('label.horizons=["24h", "48h"]',)])
def test_only_samples_that_hold_such_values_are_left_out(
    overridden: History, describe: Describe, horizons: tuple[str, ...]
) -> None:
    """Those of the machine whose window of a day reaches into the overridden two; tests leave out nothing."""
    known = overridden.telemetry["known_time"].max()
    every = draw_samples(describe(*horizons), overridden, known)
    physical = draw_samples(describe('data.sources=["physical"]', *horizons), overridden, known)
    gone = keys(every.train) - keys(physical.train)
    assert keys(physical.train) < keys(every.train)
    assert {asset for asset, _ in gone} == {"m03"}
    assert all(BEGIN <= as_of < END + DAY for _, as_of in gone)
    left = physical.train[(physical.train["asset"] == "m03") & (physical.train["as_of"] >= BEGIN)]
    assert left["as_of"].min() >= END + DAY - pd.Timedelta("3h")
    assert not keys(physical.partly) & gone
    pd.testing.assert_frame_equal(physical.test, every.test)
    assert physical.left_out["overridden"] >= len(gone)
    assert sum(physical.left_out.values()) - sum(every.left_out.values()) == len(gone)
    assert physical.left_out.get("purged") == every.left_out.get("purged")


def test_sources_that_are_listed_stay(overridden: History, describe: Describe) -> None:
    """With overrides listed nothing is left out."""
    known = overridden.telemetry["known_time"].max()
    every = draw_samples(describe(), overridden, known)
    listed = draw_samples(describe('data.sources=["physical", "manual_override"]'), overridden, known)
    pd.testing.assert_frame_equal(listed.train, every.train)
    assert listed.left_out == every.left_out


def test_an_experiment_without_sources_is_recorded_as_before(describe: Describe) -> None:
    """The key is written only where it says something; "all" says nothing."""
    assert "sources" not in describe().to_dict()["data"]
    assert describe('data.sources="all"').to_json() == describe().to_json()
    assert describe('data.sources="physical"').to_dict()["data"]["sources"] == ["physical"]
    assert Experiment.from_json(describe('data.sources="physical"').to_json()).data.sources == ("physical",)
