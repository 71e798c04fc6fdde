"""Twenty processes killed at random under load: every answer is stored once and repeated for the same key."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.conftest import Plant
from tests.serving.callers import EndpointRequest, ask_once
from tests.serving.killing import answered_differently, kill_under_load, lost, service, stored_rows, twice

KILLS, CALLERS, ASSETS = 20, 4, 3


@pytest.mark.usefixtures("benchmark")
@pytest.mark.timeout(3600)
def test_kills_under_load(plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = replace(plant.workspace, records_url=f"sqlite:///{tmp_path / 'records.db'}")
    machines = plant.fleet.machines.assets

    def ask(number: int) -> EndpointRequest:
        assets = [machines[(number + step) % len(machines)] for step in range(ASSETS)]
        return EndpointRequest({"assets": assets, "as_of": plant.now.isoformat()}, key=f"kill-{number}")

    with service(own, plant.model, tmp_path, environ={"FOREWARN_RECORDS_URL": own.records_url}) as running:
        result = kill_under_load(running, ask, KILLS, callers=CALLERS, seed=1)
        changed = answered_differently(running.url, result.answered)
        repeated = [ask_once(running.url, answer.question) for answer in result.answers if answer.status != 200]
    rows = sum(len(answer.stored) for answer in [*result.answered, *repeated])
    lines = [
        f"kills: {result.workers} of workers, {result.services} of the service; all back after at most "
        f"{max(result.back_after):.1f} s, half the time after {sorted(result.back_after)[KILLS // 2]:.1f} s",
        f"answered {len(result.answered)}, cut off {result.statuses[0]}, refused {result.statuses[503]}",
        f"answered and not stored as answered {lost(own, result.answered)}, twice {twice(result.answered)}",
        f"another answer to the same key {changed}; stored {stored_rows(own)} of {rows} predictions",
    ]
    with capsys.disabled():
        print("", *lines, sep="\n")
    assert set(result.statuses) <= {0, 200, 503}
    assert {answer.status for answer in repeated} <= {200}
    assert (lost(own, result.answered), twice(result.answered), changed) == (0, 0, 0)
    assert stored_rows(own) == rows
