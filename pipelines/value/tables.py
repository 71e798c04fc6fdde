"""A ledger of value as tables on a terminal and as rows of a CSV file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from data_contracts.errors import UsageError
from models.hold_back.acting_effect import Estimate
from models.scheduling.plan_files import csv_cell
from models.value.costs import MONEY
from models.value.ledger import COUNTS, LedgerRow, ValueLedger
from models.value.sentences import in_words, value_sentences
from pipelines.terminal.tables import column_table, format_minute


def ledger_tables(model_name: str, now: pd.Timestamp, ledger: ValueLedger, files: Sequence[Path | None]) -> Group:
    """Render sentences, and a row for each month and plant, each plant and the total."""
    head, rows = ledger_cells(ledger)
    table = column_table(*head)
    for row in rows:
        table.add_row(*row)
    lines: list[RenderableType] = [Text(f"{model_name} at {format_minute(now)}")]
    lines += [Text(f"- {sentence}") for sentence in value_sentences(ledger)]
    return Group(*lines, Text(), table, *(Text(f"written: {file}") for file in files if file))


def ledger_cells(ledger: ValueLedger) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return the head and the rows of the table for people, which shows money, or else hours of downtime."""
    money, hours = MONEY in ledger.total.saved, "downtime_hours" in ledger.total.saved
    saved = MONEY if money else "downtime_hours" if hours else None
    unit = f"saved, {ledger.currency or 'money'}" if money else "hours of downtime saved"
    head = ("plant", "month", "alarms: announced", "acted on", "held back", "failures: anyway", "avoided")
    return (*head, *([unit] if saved else [])), [_cells(row, saved) for row in ledger.all_rows()]


def write_csv(file: Path, ledger: ValueLedger) -> None:
    """Write the same rows with every figure in a column of its own; estimates have _low and _high beside them."""
    write_text(file, pd.DataFrame([_record(row) for row in ledger.all_rows()]).to_csv(index=False))


def write_text(file: Path, text: str) -> None:
    """Write a file that the user named; `UsageError` where that cannot be."""
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        found = f"{file} cannot be written: {error.strerror}"
        raise UsageError(found, "a file in a folder that exists", "Name another one") from error


def _cells(row: LedgerRow, saved: str | None) -> list[str]:
    counts = [f"{number:,}" for number in (row.announced, row.acted_on, row.held_back, row.failed_anyway)]
    head = [row.plant or "all", row.month or "all", *counts]
    if row.avoided is None:
        return [*head, row.state, *([row.state] if saved else [])]
    return [
        *head,
        in_words(row.avoided),
        *([in_words(row.saved[saved]) if saved in row.saved else "-"] if saved else []),
    ]


def _record(row: LedgerRow) -> dict[str, Any]:
    record: dict[str, Any] = {
        "plant": csv_cell(row.plant, decimal_comma=False),
        "month": row.month or "",
        "state": row.state,
        "why": row.why,
    }
    record |= {name: getattr(row, name) for name in COUNTS}
    record |= _columns("without_acting", row.without_acting) | _columns("avoided", row.avoided)
    for group in ("work", "saved", "hold_back_price"):
        for name, estimate in getattr(row, group).items():
            record |= _columns(f"{group}_{name}", estimate)
    return record


def _columns(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    if estimate is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
