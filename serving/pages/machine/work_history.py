"""What happened to a machine: failures, work on it, and its alarms with what came of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from data_contracts.ingestion.reported_work import latest_work
from data_contracts.records.asset_records import latest_asset_outcomes
from models.alarms import Alarm
from models.labels.labels import known_rows
from serving.pages.charts.line_chart import Mark
from serving.pages.fleet_state.shown_time import ShownTime

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

Kind = Literal["failure", "work", "alarm"]
_MOST, _PENDING = 200, "pending"


@dataclass(frozen=True)
class Happened:
    """A row of the history; what is not recorded is None."""

    kind: Kind
    at: pd.Timestamp
    identifier: str
    what: str | None  # a failure's mode, the kind of work, the model of an alarm
    component: str | None = None
    finding: str | None = None
    prompted_by: str | None = None
    outcome: str | None = None  # of an alarm
    until: pd.Timestamp | None = None  # of an alarm, its last alert

    @property
    def mark(self) -> Mark | None:
        """Return what charts show of it; alarms are spans."""
        words = " \u00b7 ".join(filter(None, (self.identifier, self.what, self.component, self.finding)))
        return None if self.kind == "alarm" else Mark(self.kind, self.at, words)


def work_history(worker: "WorkerContext", asset: str, alarms: list[Alarm], shown: ShownTime) -> tuple[Happened, ...]:
    """Return what happened up to a time, the latest first, as it was known by then."""
    stored = worker.predictor.stored.tables
    failures = known_rows(stored.table("failures").rows_of([asset]), "failure_id", shown.at)
    orders = stored.table("work_orders").rows_of([asset])
    orders = latest_work(orders[orders["known_time"] <= shown.at])
    rows = [*_failures(failures), *_orders(orders), *_alarms(worker, asset, alarms, shown)]
    past = [row for row in rows if row.at <= shown.at]
    return tuple(sorted(past, key=lambda row: (row.at, row.kind, row.identifier), reverse=True)[:_MOST])


def _failures(rows: pd.DataFrame) -> Iterator[Happened]:
    for row in rows.to_dict("records"):
        yield Happened("failure", row["event_time"], row["failure_id"], _text(row.get("mode")))


def _orders(rows: pd.DataFrame) -> Iterator[Happened]:
    for row in rows.to_dict("records"):
        yield Happened(
            "work",
            row["event_time"],
            row["work_order_id"],
            row["kind"],
            _text(row.get("component")),
            _text(row.get("finding")),
            _text(row.get("prompted_by")),
        )


def _alarms(worker: "WorkerContext", asset: str, alarms: list[Alarm], shown: ShownTime) -> Iterator[Happened]:
    """Yield the alarms with their outcomes, where the monitor has come to one by the time that is shown."""
    engine = worker.predictor.log.commit.engine()
    outcomes = latest_asset_outcomes(engine, asset, unit="episode", since=None, limit=_MOST)
    known = outcomes[outcomes["known_at"] <= shown.at]
    # Of a model's versions that one counts which has come to an outcome.
    ordered = sorted(known.to_dict("records"), key=lambda row: (row["state"] != _PENDING, row["model_version"]))
    states = {(row["model_name"], row["at"]): row["state"] for row in ordered}
    for alarm in alarms:
        yield Happened(
            "alarm",
            alarm.opened,
            alarm.prediction_id,
            alarm.model,
            outcome=states.get((alarm.model, alarm.opened)),
            until=alarm.last_alert,
        )


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str) and value else None
