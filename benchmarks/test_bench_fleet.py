"""The simulated fleet: hourly rows with dirt, failures, work orders and events."""

from pytest_benchmark.fixture import BenchmarkFixture

from pipelines.demo.story import DAY, START
from pipelines.fleet.scenario import make_scenario
from pipelines.fleet.simulation import Fleet


def test_simulate_100_machines_180_days(benchmark: BenchmarkFixture) -> None:
    def simulate() -> int:
        fleet = Fleet(7, 100, start=START, scenario=make_scenario("none", 180))
        return len(fleet.advance(START + 180 * DAY).telemetry)

    assert benchmark.pedantic(simulate, rounds=3, warmup_rounds=1) > 400_000
