"""How often a champion that has not changed is found worse than a promise that was itself estimated.

The budget within a number of looks is the part of alpha that goes to misses and, for the recent past, looks / mean time
between false detections.
"""

import math

import pytest
from rich.console import Console
from rich.table import Table

from models.monitoring.drift import Budget
from pipelines.fleet.histories.promised import (
    Draw,
    Monitored,
    evaluated,
    evaluated_alarms,
    evaluated_by_asset,
    false_rejections,
    succession,
    won,
)

BUDGET = Budget()
HISTORIES = 800
ROWS: tuple[tuple[str, Draw, Monitored], ...] = (
    ("11 failures", evaluated(11), Monitored(6, 24)),
    ("11 failures", evaluated(11), Monitored(20, 52)),
    ("30 failures", evaluated(30), Monitored(6, 52)),
    ("30 failures", evaluated(30), Monitored(20, 52)),
    ("100 failures", evaluated(100), Monitored(20, 52)),
    ("20 assets, 3 failures each, correlation .3", evaluated_by_asset(20, 3, 0.3), Monitored(20, 52)),
    ("11 false alarms", evaluated_alarms(11.0), Monitored(6, 24)),
    ("30 false alarms", evaluated_alarms(30.0), Monitored(20, 52)),
    ("the 30 failures on which it was promoted", won(30, 0.0), Monitored(6, 52)),
    ("the 30 failures on which it was promoted", won(30, 0.0), Monitored(20, 52)),
    ("the same, half of them alike for both", won(30, 0.5), Monitored(20, 52)),
    ("the same, not corrected", won(30, 0.0, corrected=False), Monitored(20, 52)),
    (
        "the same, after a champion evaluated on 30",
        succession([evaluated(30), won(30, 0.0)], BUDGET),
        Monitored(20, 52),
    ),
    (
        "the sixth of six, each on 30 that it won",
        succession([evaluated(30), *[won(30, 0.0)] * 5], BUDGET),
        Monitored(20, 52),
    ),
)


@pytest.mark.usefixtures("benchmark")
@pytest.mark.timeout(3600)
def test_false_rejections_of_estimated_promises(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("promise from", "a look", "looks", "budget", "found worse", box=None)
    for name, draw, monitored in ROWS:
        budget = (
            BUDGET.alpha * BUDGET.missed_share + monitored.looks * BUDGET.missed_share / BUDGET.mean_time_between_false
        )
        share = float(false_rejections(draw, monitored, BUDGET, HISTORIES, seed=41).mean())
        table.add_row(name, str(monitored.per_look), str(monitored.looks), f"{budget:.3f}", f"{share:.3f}")
        if "not corrected" not in name:
            assert share <= budget + 2 * math.sqrt(budget / HISTORIES), name
    with capsys.disabled():
        title = f"A champion that has not changed, found worse than its promise: share of {HISTORIES} histories"
        Console(width=110).print("", title, table, sep="\n")
