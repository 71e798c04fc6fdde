"""The list of quarantined rows shows the values at fault, whatever the check."""

import json

import pandas as pd
import pytest
from rich.console import Console

from pipelines.cli.data_renderers import refused

ROW = {
    "asset": "p1",
    "event_time": "2026-03-01T00:00:00Z",
    "source": "physical",
    "known_time": "2026-02-28T00:00:00Z",
    "heat": "OFF",
    "load": 99.5,
    "note": None,
}


@pytest.mark.parametrize(
    ("reasons", "shown"),
    [
        (["type heat: holds 'OFF'; a number is demanded"], ["OFF"]),
        (["range load: 0 to 5, finite", "type heat: holds 'OFF'"], ["load 99.5", "heat OFF"]),
        (["required note: every row must have a value"], ["-"]),
        (["time_order: no row may be known before it happened, nor after now"], ["known_time 2026-02-28T00:00:00Z"]),
        (["unique: each row once, and one row per key"], ["heat OFF", "load 99.5"]),
    ],
)
def test_each_check_shows_the_values_it_is_about(reasons: list[str], shown: list[str]) -> None:
    """One value stands alone; several have their names."""
    frame = pd.DataFrame([{"contract": "c", "batch_id": "b" * 32, "reasons": reasons, "row": json.dumps(ROW)}])
    console = Console(width=240, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(refused(frame))
    last = console.export_text().splitlines()[-1]
    for text in shown:
        assert text in last
