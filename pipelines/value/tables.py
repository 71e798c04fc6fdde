"""A ledger of value as tables on a terminal and as rows of a CSV file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from data_contracts.errors import UsageError
from models.hold_back.acting_effect import Estimate
from models.value.costs import MONEY
from models.value.ledger import LedgerRow, ValueLedger
from models.value.sentences import in_words, value_sentences
from pipelines.terminal.tables import column_table, format_minute

_COUNTS = ("announced", "acted_on", "defects", "failed_anyway", "held_back", "held_back_failed", "not_drawn")


def ledger_tables(model_name: str, now: pd.Timestamp, ledger: ValueLedger, csv: Path | None) -> Group:
    """Render sentences, and a row for each month and plant, each plant and the total."""
    money, hours = MONEY in ledger.total.saved, "downtime_hours" in ledger.total.saved
    saved = MONEY if money else "downtime_hours" if hours else None
    unit = f"saved, {ledger.currency or 'money'}" if money else "hours of downtime saved"
    table = column_table(
        "plant", "month", "alarms: announced", "acted on", "held back", "failures: anyway", "avoided",
        *([unit] if saved else []),
    )  # fmt: skip
    for row in _ordered(ledger):
        table.add_row(*_cells(row, saved))
    lines: list[RenderableType] = [Text(f"{model_name} at {format_minute(now)}")]
    lines += [Text(f"- {sentence}") for sentence in value_sentences(ledger)]
    return Group(*lines, Text(), table, *([Text(f"rows: {csv}")] if csv else []))


def write_csv(file: Path, ledger: ValueLedger) -> None:
    """Write the same rows with every figure in a column of its own; estimates have _low and _high beside them."""
    rows = pd.DataFrame([_record(row) for row in _ordered(ledger)])
    try:
        rows.to_csv(file, index=False)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error}", "a file in a folder that exists", "Name another") from (
            error
        )


def _ordered(ledger: ValueLedger) -> Iterator[LedgerRow]:
    yield from ledger.rows
    if len(ledger.plants) > 1:
        yield from ledger.plants
    yield ledger.total


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
    record: dict[str, Any] = {"plant": row.plant or "", "month": row.month or "", "state": row.state, "why": row.why}
    record |= {name: getattr(row, name) for name in (*_COUNTS, "estimated")}
    record |= _columns("without_acting", row.without_acting) | _columns("avoided", row.avoided)
    for group in ("work", "saved", "hold_back_price"):
        for name, estimate in getattr(row, group).items():
            record |= _columns(f"{group}_{name}", estimate)
    return record


def _columns(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    if estimate is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
