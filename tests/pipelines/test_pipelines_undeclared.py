"""What stored telemetry shows and nobody declared."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.contract.contract import Column, Contract, load_contract
from data_contracts.contract.registered import register
from data_contracts.tables import tables
from data_contracts.tables.blocks import stored_telemetry
from data_contracts.workspace import Workspace, init_workspace
from pipelines.undeclared import search
from pipelines.undeclared.findings import Undeclared
from pipelines.undeclared.search import find_undeclared

START = pd.Timestamp("2025-05-01", tz="UTC").as_unit("us")
NOW = pd.Timestamp("2025-08-01", tz="UTC")
HOURS = 240
Store = Callable[..., Workspace]


def contract(*columns: Column) -> Contract:
    azure = load_contract("telemetry_azure_machine")
    keys = tuple(column for column in azure.columns if column.name not in azure.channels)
    return replace(azure, name="telemetry_loom", asset_type="loom", columns=(*keys, *columns))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a function that stores hourly readings of channels, (assets, hours), under a contract."""
    workspace = init_workspace(tmp_path / "w")

    def filled(*columns: Column, hours: np.ndarray | None = None, **channels: np.ndarray) -> Workspace:
        hours = np.arange(HOURS) if hours is None else hours
        n_assets = len(next(iter(channels.values())))
        times = START + pd.to_timedelta(np.tile(hours, n_assets), unit="h").astype("timedelta64[us]")
        asset = np.repeat([f"loom-{number}" for number in range(n_assets)], len(hours))
        keys = {"asset": asset, "event_time": times, "known_time": times, "source": "physical"}
        frame = pd.DataFrame(keys | {name: values.ravel() for name, values in channels.items()})
        declared = {column.name for column in columns}
        undeclared = (Column(name, "number") for name in channels if name not in declared)
        register(workspace.contracts, contract(*columns, *undeclared), now=NOW)
        tables.append(workspace, "telemetry/loom", frame, "batch")
        return workspace

    return filled


def found(workspace: Workspace) -> Undeclared:
    rows = tables.asset_spans(workspace, "telemetry/loom").set_index("asset")["rows"]
    return find_undeclared(workspace, "loom", rows, now=NOW)


def noise(assets: int = 6) -> np.ndarray:
    return np.random.default_rng(5).standard_normal((assets, HOURS))


def exchanged(assets: int, *which: int, at: int = 100) -> np.ndarray:
    steps = np.zeros((assets, HOURS))
    steps[list(which), at:] = 30.0
    return noise(assets) + steps


def test_an_undeclared_counter_is_named_with_its_rollover(store: Store) -> None:
    """Declared as a counter, or as none, it is not."""
    counted = (np.arange(HOURS) * 300.0 + 1000 * np.arange(6)[:, None]) % 65_536
    undeclared = found(store(starts=counted, load=noise()))
    assert [each.channel for each in undeclared.counters] == ["starts"]
    assert undeclared.counters[0].signs.rollover == 65_536
    assert "counter: true and rollover: 65536" in undeclared.sentences[0]
    assert bool(undeclared)


@pytest.mark.parametrize("counter", [True, False])
def test_what_is_declared_is_not_asked_about(store: Store, counter: bool) -> None:
    """Neither a counter nor a level that only grows."""
    column = Column("starts", "number", counter=counter, rollover=65_536.0 if counter else None)
    counted = (np.arange(HOURS) * 300.0 + np.zeros((6, 1))) % 65_536
    assert not found(store(column, starts=counted, load=noise()))


@pytest.mark.ml_test("Monitor 1")
def test_an_exchange_is_named_with_what_differs(store: Store) -> None:
    """The asset, the instant, the channels, and what to record."""
    undeclared = found(store(load=exchanged(6, 2), heat=exchanged(6, 2), speed=noise()))
    (exchange,) = undeclared.exchanges
    assert (exchange.asset, exchange.since) == ("loom-2", START + pd.Timedelta(hours=100))
    assert set(exchange.levels) == {"load", "heat"}
    assert "asset loom-2, event_time 2025-05-05T04:00:00Z, status in_service" in undeclared.sentences[0]


@pytest.mark.parametrize("hours_off", [0, 20, 40])
def test_a_record_explains_it(store: Store, hours_off: int) -> None:
    """A further record of the asset, or the event of a changed sensor, within a day; a later one does not."""
    workspace = store(load=exchanged(6, 2, 4))
    times = [START, START + pd.Timedelta(hours=100 + hours_off)]
    records = pd.DataFrame({"asset": "loom-2", "event_time": times, "known_time": times, "status": "in_service"})
    tables.append(workspace, "assets", records.assign(asset_type="loom"), "records")
    event = {"asset": ["loom-4"], "event_time": times[1:], "known_time": times[1:], "code": ["sensor_replaced"]}
    tables.append(workspace, "events", pd.DataFrame({"event_id": ["E1"], **event}), "events")
    named = [each.asset for each in found(workspace).exchanges]
    assert named == (["loom-2", "loom-4"] if hours_off > 24 else [])


def test_a_channel_that_changes_everywhere_is_asked_about_as_such(store: Store) -> None:
    """Its unit or the export, not six machines."""
    undeclared = found(store(heat=exchanged(6, *range(6)), load=exchanged(6, 1, at=60)))
    (together,) = undeclared.breaks
    assert (together.channel, together.assets) == ("heat", 6)
    assert [each.asset for each in undeclared.exchanges] == ["loom-1"]
    assert "was its unit or the export changed?" in undeclared.sentences[0]


def test_changes_on_many_assets_one_by_one_are_operation(store: Store) -> None:
    """They are said, and nothing has to be declared."""
    steps = np.stack([exchanged(6, row, at=40 + 25 * row)[row] for row in range(6)])
    undeclared = found(store(load=steps))
    assert not undeclared
    assert len(undeclared.regimes) == 6
    assert "probably their operation changed" in undeclared.sentences[0]


def test_a_counter_that_starts_again_after_a_pause_is_an_exchange(store: Store) -> None:
    """An equal machine shows in nothing else; without a pause it was reset."""
    hours = np.append(np.arange(120), np.arange(150, 270))
    run_hours = np.tile(hours + 9000.0, (6, 1))
    run_hours[3, 120:] -= 9149.0
    run_hours[4, 60:] -= 9055.0
    column = Column("run_hours", "number", counter=True)
    undeclared = found(store(column, hours=hours, run_hours=run_hours, load=noise()))
    (exchange,) = undeclared.exchanges
    assert (exchange.asset, exchange.restarted, dict(exchange.levels)) == ("loom-3", ("run_hours",), {})


def test_blocks_of_assets_and_a_sample_find_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with the number of assets, and where only some are looked at it is said."""
    counted = np.arange(HOURS) * 3.0 + np.zeros((6, 1))
    workspace = store(load=exchanged(6, 3), starts=counted)
    whole = found(workspace)
    monkeypatch.setattr(stored_telemetry, "BLOCK_ROWS", HOURS)
    assert found(workspace).to_dict() == whole.to_dict()
    monkeypatch.setattr(search, "_MOST_ROWS", 3 * HOURS)
    sampled = found(workspace)
    assert sampled.measured == 3
    assert sampled.sentences[-1] == "looked at 3 of 6 assets for counters and exchanges"
