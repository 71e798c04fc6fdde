"""Ingestion of telemetry: checked by its contract into the table, bad rows into quarantine."""

from pathlib import Path
from typing import Any

import pandas as pd
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Plant
from data_contracts.contract.contract import telemetry_contract
from data_contracts.ingestion.ingest import IngestResult, ingest
from data_contracts.workspace import init_workspace
from pipelines.demo.story import DAY, START
from pipelines.fleet.scenario import make_scenario
from pipelines.fleet.simulation import Fleet

CONTRACT = telemetry_contract("cnc_machine")


def test_ingest_a_day_of_60_machines(benchmark: BenchmarkFixture, plant: Plant) -> None:
    days = iter(range(1, 100))

    def another_day() -> tuple[tuple[Any, ...], dict[str, Any]]:
        now = plant.now + next(days) * DAY
        return (plant.workspace, plant.fleet.advance(now).telemetry, CONTRACT), {"now": now}

    result: IngestResult = benchmark.pedantic(ingest, setup=another_day, rounds=10)
    assert result.accepted > 1_000


def test_ingest_200_000_rows(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    now = START + 140 * DAY
    fleet = Fleet(7, 60, start=START, scenario=make_scenario("none", 140))
    rows: pd.DataFrame = fleet.advance(now).telemetry.iloc[:200_000]
    assert len(rows) > 195_000
    numbers = iter(range(100))

    def another_workspace() -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (init_workspace(tmp_path / str(next(numbers))), rows, CONTRACT), {"now": now}

    result: IngestResult = benchmark.pedantic(ingest, setup=another_workspace, rounds=3)
    assert result.accepted > 190_000
