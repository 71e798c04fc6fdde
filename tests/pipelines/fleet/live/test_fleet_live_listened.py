"""The plant, its faults, a broker and the listener: what is stored, refused and missing is what the plant did."""

import asyncio
import time
from pathlib import Path

import numpy as np
import pandas as pd

from data_contracts.streams.stream_gaps import read_gaps
from data_contracts.tables import tables
from data_contracts.workspace import init_workspace
from pipelines.fleet.live.faults import Fault, plan_faults
from pipelines.fleet.live.machines.live_plant import CHANNELS, LivePlant, make_live_plant
from pipelines.fleet.live.machines.plant_second import plant_second
from pipelines.fleet.live.mqtt.messages import first_epoch
from pipelines.fleet.live.outputs import OutputSettings, opened_outputs
from pipelines.fleet.live.run import Pace, run_live
from pipelines.live.broker.start_broker import MosquittoProcess
from pipelines.live.listening.listen import listen
from pipelines.live.listening.listen_summary import Ending
from pipelines.settings.sections import LiveSettings

SECONDS = 60


def test_a_listener_finds_what_the_plant_did(mosquitto: MosquittoProcess, tmp_path: Path) -> None:
    """Gaps, restarts, duplicates, quarantine and rows, each by the faults' list."""
    workspace, plant, done = init_workspace(tmp_path / "ws"), make_live_plant(7, 4), list[Fault]()
    listening = LiveSettings(broker_port=mosquitto.port, metrics_port=0)
    listen(workspace, listening, ending=Ending(after_s=0), environ={})  # the broker knows its session now
    since = int(time.time()) - SECONDS
    pace, faults = Pace(since, since + SECONDS, speed=0.0), plan_faults(5, 0.2, on_fault=done.append)

    async def run() -> None:
        opened = opened_outputs(plant, faults, pace, OutputSettings(over=("arrow",), broker=mosquitto.settings))
        await run_live(plant, pace, opened, faults, asyncio.Event())

    asyncio.run(run())
    result = listen(workspace, listening, ending=Ending(idle_s=3), environ={})
    kinds = pd.Series([fault.kind for fault in done]).value_counts()
    assert result.duplicates == kinds["doubled"]
    assert result.undecoded == kinds["cut_short"]
    assert result.refused["time_order"] == result.quarantined == 100 * kinds["clock_ahead"]
    unread = {(each.asset, each.epoch, each.sequence) for each in done if each.kind in ("lost", "cut_short")}
    gaps = read_gaps(workspace)
    spans = gaps[gaps["kind"] == "gap"][["asset", "epoch", "from_sequence", "to_sequence"]].itertuples(index=False)
    missing = {(asset, epoch, number) for asset, epoch, first, last in spans for number in range(first, last + 1)}
    # What is lost at the end of a session is followed by nothing that would show it.
    assert missing == {each for each in unread if _is_followed(each, unread, done, plant, since)}
    restarts = {(each.asset, each.epoch) for each in done if each.kind == "restarted" and each.second > since}
    found = gaps[gaps["kind"] == "restart"][["asset", "epoch"]].itertuples(index=False, name=None)
    assert set(found) == {each for each in restarts if _is_read(each, unread, done, plant, since)}
    stored = tables.read(workspace, "telemetry/cnc_signals")
    assert len(stored) == result.rows == 100 * (4 * SECONDS - len(unread) - kinds["clock_ahead"])
    quiet = next(s for s in range(since, since + SECONDS) if all(each.second != s for each in done))
    rows = stored[(stored["asset"] == "cnc-003") & (stored["event_time"] >= pd.Timestamp(quiet, unit="s", tz="UTC"))]
    values = rows.sort_values("event_time").head(100)[list(CHANNELS)].to_numpy()
    np.testing.assert_array_equal(values.T, plant_second(plant, quiet).readings[2])


def _numbers(asset: str, epoch: int, done: list[Fault], plant: LivePlant, since: int) -> int:
    """Return how many messages a session has."""
    begins = sorted(each.second for each in done if each.asset == asset and each.kind == "restarted")
    epochs = {first_epoch(plant, since): since} | {(second + 1) * 1_000_000: second for second in begins}
    ends = [second for second in [*begins, since + SECONDS] if second > epochs[epoch] or second == since + SECONDS]
    return min(ends) - epochs[epoch]


def _is_followed(
    number: tuple[str, int | None, int | None], unread: set[tuple[str, int | None, int | None]], done: list[Fault],
    plant: LivePlant, since: int,
) -> bool:  # fmt: skip
    asset, epoch, sequence = number
    assert epoch is not None
    assert sequence is not None
    later = range(sequence + 1, _numbers(asset, epoch, done, plant, since))
    return any((asset, epoch, each) not in unread for each in later)


def _is_read(
    session: tuple[str, int | None], unread: set[tuple[str, int | None, int | None]], done: list[Fault],
    plant: LivePlant, since: int,
) -> bool:  # fmt: skip
    return _is_followed((*session, -1), unread, done, plant, since)
