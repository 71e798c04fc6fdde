"""The plant's history as files: the bits that would have been sent live, and reports that match it."""

import asyncio
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import load_contract
from data_contracts.errors import UsageError
from data_contracts.validation.checks import examine
from pipelines.fleet.live.faults import plan_faults
from pipelines.fleet.live.file_writer import FileWriter
from pipelines.fleet.live.machines.live_plant import CHANNELS, LivePlant, make_live_plant, wear_out
from pipelines.fleet.live.machines.plant_second import plant_second, plant_seconds
from pipelines.fleet.live.machines.reports import known_reports, report_seconds
from pipelines.fleet.live.outputs import OutputSettings, opened_outputs
from pipelines.fleet.live.run import LiveResult, Pace, run_live

SECOND = 1_795_000_000
DAY = 86_400


def _time(second: int) -> pd.Timestamp:
    return pd.Timestamp(second, unit="s", tz="UTC")


def _plant(machines: int = 3) -> LivePlant:
    plant = make_live_plant(7, machines)
    wear_out(plant, "cnc-002", _time(SECOND), pd.Timedelta("12s"))
    return plant


def test_files_hold_what_was_sent(tmp_path: Path) -> None:
    """Rows of all seconds in order, in files of any size; a row is known when its second is over."""
    frames = []
    for rows_a_file in (1_000, 4_500, 10**6):
        writer = FileWriter(_plant(), tmp_path / str(rows_a_file), since=SECOND, rows_a_file=rows_a_file)
        for second in plant_seconds(_plant(), SECOND, SECOND + 30):
            writer.write(second)
        writer.finish()
        files = sorted((tmp_path / str(rows_a_file) / "telemetry").iterdir())
        assert max(pq.read_metadata(file).num_rows for file in files) <= rows_a_file
        frames.append(pd.concat([pd.read_parquet(file) for file in files], ignore_index=True))
        assert writer.sent == 30
    assert len(frames[0]) == (30 + 12 + 30) * 100
    for other in frames[1:]:
        pd.testing.assert_frame_equal(frames[0], other)
    one = frames[0][(frames[0]["asset"] == "cnc-003") & (frames[0]["event_time"] >= _time(SECOND + 20))].head(100)
    live = plant_second(_plant(), SECOND + 20)
    np.testing.assert_array_equal(one[list(CHANNELS)].to_numpy(dtype=np.float64).T, live.readings[1])
    assert (one["known_time"] == _time(SECOND + 21)).all()
    assert one["event_time"].diff().dropna().eq(pd.Timedelta("10ms")).all()


def test_files_keep_their_contracts(tmp_path: Path) -> None:
    """Telemetry, assets, failures and work orders all pass, and the failure is in both reports once it is known."""
    plant, end = _plant(), SECOND + 12 + 1800 + 5
    writer = FileWriter(plant, tmp_path, since=SECOND)
    for second in (*range(SECOND, SECOND + 40), *range(SECOND + 70, SECOND + 75), *range(end - 10, end)):
        writer.write(plant_second(plant, second))
    writer.finish()
    tables = {name: pd.read_csv(tmp_path / f"{name}.csv") for name in ("assets", "failures", "work_orders")}
    assert tables["failures"][["asset", "event_time"]].to_numpy().tolist() == [["cnc-002", str(_time(SECOND + 12))]]
    assert tables["work_orders"][["asset", "event_time"]].to_numpy().tolist() == [
        ["cnc-002", str(_time(SECOND + 1812))]
    ]
    telemetry = pd.read_parquet(next((tmp_path / "telemetry").iterdir())).astype({"asset": "str"})
    for name, frame in {**tables, "telemetry_cnc_signals": telemetry.assign(source="physical")}.items():
        times = {column: pd.to_datetime(frame[column], utc=True) for column in ("event_time", "known_time")}
        contract = load_contract(name)
        columns = [column.name for column in contract.columns if column.name in frame or column.required]
        examined = examine(frame.assign(**times)[columns], contract, now=_time(end))
        assert not examined.report.breaches


def test_a_folder_with_telemetry_is_not_overwritten(tmp_path: Path) -> None:
    """Two histories in one folder would be one that never was."""
    for _ in range(2):
        writer = FileWriter(_plant(), tmp_path / "empty", since=SECOND)
    writer.write(plant_second(_plant(), SECOND))
    writer.finish()
    with pytest.raises(UsageError, match="holds files"):
        FileWriter(_plant(), tmp_path / "empty", since=SECOND)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 60 * DAY), min_size=1, max_size=4))
def test_reports_do_not_depend_on_when_one_asks(cuts: list[int]) -> None:
    """What is reported in adjacent stretches together is what is reported in all of it; ids tell failures apart."""
    plant = make_live_plant(3, 4)
    bounds = [SECOND, *sorted(SECOND + cut for cut in cuts), SECOND + 60 * DAY]
    whole = known_reports(plant, bounds[0], bounds[-1])
    parts = [known_reports(plant, *pair) for pair in pairwise(bounds)]
    assert len(whole.failures)
    assert len(whole.work_orders)
    for name, key in (("failures", "failure_id"), ("work_orders", "work_order_id")):
        ids = [value for part in parts for value in getattr(part, name)[key]]
        assert sorted(ids) == sorted(getattr(whole, name)[key])
        assert len(set(ids)) == len(ids)
        known = getattr(whole, name)["known_time"]
        assert {int(time.timestamp()) for time in known} <= set(report_seconds(plant, SECOND))


def test_a_history_ends_when_it_is_interrupted(tmp_path: Path) -> None:
    """What was written until then is whole, and the result says up to when."""

    async def run() -> LiveResult:
        plant, faults, stop = make_live_plant(7, 20), plan_faults(0, 0.0), asyncio.Event()
        pace = Pace(SECOND, SECOND + DAY, speed=0.0)
        asyncio.get_running_loop().call_later(0.5, stop.set)
        opened = opened_outputs(plant, faults, pace, OutputSettings(write=tmp_path))
        return await run_live(plant, pace, opened, faults, stop)

    result = asyncio.run(run())
    rows = sum(pq.read_metadata(file).num_rows for file in (tmp_path / "telemetry").iterdir())
    assert result.ended == "interrupted"
    assert 0 < result.sent["files"] < DAY
    assert result.until == _time(SECOND + result.sent["files"])
    assert rows <= 20 * 100 * result.sent["files"]
    assert rows % 100 == 0
