"""`forewarn value`: the ledger of a champion's model, and the file and the page that it is written to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd
from rich.console import Group

from data_contracts.errors import UsageError
from data_contracts.records.records import open_records
from data_contracts.workspace import Workspace
from models.value.gather import Scope, gather_value
from models.value.ledger import ValueLedger
from models.value.sentences import value_sentences
from pipelines.evidence.champion import load_champion
from pipelines.settings.settings import Settings
from pipelines.value.page import write_page
from pipelines.value.tables import ledger_tables, write_csv


@dataclass(frozen=True)
class ValueResult:
    """What acting on a model's alarms avoided, by what was known at a time."""

    model_name: str
    now: pd.Timestamp
    scope: Scope
    ledger: ValueLedger
    csv: Path | None = None
    html: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        scope = {
            "plant": self.scope.plant,
            "since": None if self.scope.since is None else self.scope.since.isoformat(),
            "until": None if self.scope.until is None else self.scope.until.isoformat(),
            "time_zone": self.scope.time_zone,
        }
        head = {"model_name": self.model_name, "now": self.now.isoformat(), **scope}
        files = {name: None if file is None else str(file) for name, file in (("csv", self.csv), ("html", self.html))}
        return head | self.ledger.to_dict() | {"sentences": list(value_sentences(self.ledger))} | files

    def __rich__(self) -> Group:
        """Render sentences and tables."""
        return ledger_tables(self.model_name, self.now, self.ledger, (self.csv, self.html))


def measure_value(
    workspace: Workspace,
    model_name: str,
    *,
    now: pd.Timestamp,
    settings: Settings,
    scope: Scope,
    csv: Path | None = None,
    html: Path | None = None,
) -> ValueResult:
    """Measure what acting on the alarms of a model avoided, and write the files that are named.

    `UsageError` if there is no time zone of that name.
    """
    try:
        ZoneInfo(scope.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"time zone {scope.time_zone!r}", "a name such as Europe/Berlin", "Give --time-zone") from None
    ledger = gather_value(
        workspace,
        open_records(workspace.records_url),
        load_champion(workspace, model_name).model,
        now=now,
        costs=settings.costs,
        settings=settings.value,
        scope=scope,
        gap=settings.monitor.gap,
        reporting_delay=settings.monitor.reporting_delay,
    )
    if csv is not None:
        write_csv(csv, ledger)
    if html is not None:
        write_page(html, model_name, now, ledger)
    return ValueResult(model_name, now, scope, ledger, csv, html)
