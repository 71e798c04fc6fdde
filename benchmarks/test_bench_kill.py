"""Twenty processes killed at random under load: what was answered is stored once, and the same keys get it again."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.conftest import Plant
from tests.serving.callers import Question, ask_once
from tests.serving.killing import answered_differently, kill_under_load, lost, service, stored_rows, twice

KILLS, CALLERS, ASSETS = 20, 4, 3


@pytest.mark.usefixtures("benchmark")
@pytest.mark.timeout(3600)
def test_kills_under_load(plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = replace(plant.workspace, records_url=f"sqlite:///{tmp_path / 'records.db'}")
    machines = plant.fleet.machines.assets

    def ask(number: int) -> Question:
        assets = [machines[(number + step) % len(machines)] for step in range(ASSETS)]
        return Question({"assets": assets, "as_of": plant.now.isoformat()}, key=f"kill-{number}")

    with service(own, plant.model, tmp_path, environ={"FOREWARN_RECORDS_URL": own.records_url}) as made:
        seen = kill_under_load(made, ask, KILLS, callers=CALLERS, seed=1)
        otherwise = answered_differently(made.url, seen.answered)
        again = [ask_once(made.url, answer.question) for answer in seen.answers if answer.status != 200]
    rows = sum(len(answer.stored) for answer in [*seen.answered, *again])
    lines = [
        f"kills: {seen.workers} of workers, {seen.services} of the service; all back after at most "
        f"{max(seen.back_after):.1f} s, half the time after {sorted(seen.back_after)[KILLS // 2]:.1f} s",
        f"answered {len(seen.answered)}, cut off {seen.statuses[0]}, refused {seen.statuses[503]}",
        f"answered and not stored as answered {lost(own, seen.answered)}, twice {twice(seen.answered)}",
        f"another answer to the same key {otherwise}; stored {stored_rows(own)} of {rows} predictions",
    ]
    with capsys.disabled():
        print("", *lines, sep="\n")
    assert set(seen.statuses) <= {0, 200, 503}
    assert {answer.status for answer in again} <= {200}
    assert (lost(own, seen.answered), twice(seen.answered), otherwise) == (0, 0, 0)
    assert stored_rows(own) == rows
