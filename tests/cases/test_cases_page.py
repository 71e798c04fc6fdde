"""The page on wrong data says what the program says: one test for each row of its tables."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cases.conftest import Case

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "bad-data.md"
_ALL = "import files --contract pump.odcs.yaml --telemetry telemetry.csv --failures failures.csv -w w"
_ALONE = "import files --contract pump.odcs.yaml --telemetry telemetry.csv -w w"
_CHECK = "validate rows.csv --contract pump.odcs.yaml"
_TRAIN = "train pump.toml -w w"
_LIST = "quarantine list -w w"
_ELSEWHERE = (2, 7)
"""Rows that take a flow, or a file made by a program; they have tests of their own beside this one."""
COMMANDS = {
    1: (_ALONE.replace("telemetry.csv", "telemetry_1.csv"), _ALONE.replace("telemetry.csv", "telemetry_2_mended.csv")),
    3: (_ALL, _LIST),
    4: (_ALL, _LIST),
    5: (_ALL, _TRAIN),
    8: (_ALL, _TRAIN),
    10: ("validate rows.csv --contract quality_sql.odcs.yaml",),
    11: (_CHECK,),
    12: (_CHECK,),
    13: (_ALONE.replace("telemetry.csv", "new.csv"), _ALONE.replace("telemetry.csv", "older.csv")),
    15: (_ALONE, _LIST),
    16: ("validate telemetry.csv --contract pump.odcs.yaml",),
    18: (_ALL.replace("telemetry.csv", "goes_on.csv"), _TRAIN),
    19: (_ALL.replace("telemetry.csv", "bad_off.csv"),),
    22: (_ALL.replace("telemetry.csv", "machines"),),
}
"""The commands of a row, by its number; the import of everything for the others."""
ROWS = [line.split(" | ") for line in PAGE.read_text().split("Beside these")[0].splitlines() if line.startswith("| ")][
    1:
]


def test_the_table_has_a_row_for_each_kind() -> None:
    """Thirty kinds of mistakes are known."""
    assert len(ROWS) == 30


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, id=row[0].strip("| "))
        for number, row in enumerate(ROWS, start=1)
        if number not in _ELSEWHERE
    ],
)
def test_a_row_quotes_what_the_program_says(case: Callable[[str], Case], number: int) -> None:
    """What stands first in the last column is printed, and refused and accepted are as the row says."""
    _, happens, said = ROWS[number - 1]
    quoted = re.findall(r"`([^`]+)`", said)[0]
    mistake = case(f"{number:02}_")
    runs = [mistake.forewarn(*re.sub(r"\s+", " ", command).split()) for command in COMMANDS.get(number, (_ALL,))]
    printed = " ".join(" ".join(f"{run.out} {run.err}" for run in runs).split())
    assert quoted in printed or re.sub(r"\s", "", quoted) in re.sub(r"\s", "", printed)
    refused = "refused" in happens.partition(";")[0] or "exit status is 1" in happens
    assert (runs[-1].status != 0) == refused, printed
