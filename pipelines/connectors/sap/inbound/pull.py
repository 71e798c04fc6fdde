"""Reading back: notifications and orders that changed become failures and work orders, through their contracts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from data_contracts.contract.contract_types import Contract
from data_contracts.contract.registered import find_contract
from data_contracts.ingestion.ingest import ingest
from data_contracts.records.asset_records import find_predictions
from data_contracts.records.leases import hold_lease
from data_contracts.records.outbox.work_events import events_of_kinds
from data_contracts.records.records import open_records
from data_contracts.sql_source.import_state import ImportState, read_state, write_state
from data_contracts.tables import tables
from data_contracts.validation.report import ContractError
from data_contracts.workspace import Workspace
from pipelines.connectors.sap.inbound.changes import (
    CHANGED,
    Entity,
    EntitySet,
    by_number,
    changed_since,
    notification_set,
    order_set,
)
from pipelines.connectors.sap.inbound.codes import read_codes
from pipelines.connectors.sap.inbound.pull_result import SapPull, TablePull
from pipelines.connectors.sap.inbound.stored_rows import Row, new_rows, not_held
from pipelines.connectors.sap.inbound.work_rows import Plant, Tally, failure_row, inspection_row, order_row
from pipelines.connectors.sap.odata import parse_instant
from pipelines.connectors.sap.reference import reference_number
from pipelines.connectors.sap.service import SapService, open_service
from pipelines.connectors.sap.technical_objects import plain, read_objects
from pipelines.connectors.sap_section import SAP_KINDS, SapSection

_ROWS_AT_ONCE = 2_000


@dataclass
class _Pull:
    """A reading under way."""

    workspace: Workspace
    channel: str
    service: SapService
    plant: Plant
    now: pd.Timestamp
    tally: Tally = field(default_factory=Tally)
    tables: dict[str, TablePull] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def store(self, table: str, rows: Sequence[Row]) -> None:
        """Ingest the rows of a table that tell something new."""
        contract = find_contract(self.workspace.contracts, table)
        done = self.tables.get(table, TablePull())
        new = new_rows(self.workspace, contract, rows, self.now) if rows else []
        accepted, quarantined = self._ingest(new, contract) if new else (0, 0)
        self.tables[table] = done.and_then(TablePull(len(rows), accepted, quarantined))

    def _ingest(self, rows: Sequence[Row], contract: Contract) -> tuple[int, int]:
        """Store rows, and count those accepted and those that came into quarantine."""
        frame = not_held(self.workspace, contract, _frame(rows, contract))
        if frame.empty:
            return 0, 0
        try:
            result = ingest(self.workspace, frame, contract, now=self.now)
        except ContractError as error:
            # All of it is in quarantine, where it can be repaired; what follows must not wait for it.
            if error.report is None or not error.report.batch_passed:
                self.problems.append(str(error))
            return 0, len(frame)
        return result.accepted, result.quarantined


def pull_sap(
    workspace: Workspace, channel: str, section: SapSection, *, now: pd.Timestamp, since: pd.Timestamp | None = None
) -> SapPull:
    """Read what changed in SAP since the last time, or `since`; killed or repeated, it stores nothing twice.

    `StorageError` if SAP cannot be read; what was read before stays, and the next run goes on there.
    """
    records = open_records(workspace.records_url)
    with (
        hold_lease(records, f"import/sap/{channel}"[:255], f"reading of {channel}") as lease,
        open_service(section, workspace.root) as service,
    ):
        pull = _Pull(workspace, channel, service, _plant(workspace, section), now)
        counts, watermarks = {}, {}
        for name, entities, read in (
            ("notifications", notification_set(service), _store_notifications),
            ("orders", order_set(service), _store_orders),
        ):
            key = f"sap/{channel}/{name}"
            watermark = read_state(lease.records, key).watermark
            counts[name] = 0
            begin = since if since is not None else _before(watermark, section.overlap)
            for chunk in _chunks(service, entities, begin):
                lease.check()
                read(pull, chunk)
                counts[name] += len(chunk)
                watermark = _latest(chunk, watermark)
                write_state(lease.records, key, ImportState(watermark), at=now)
            watermarks[name] = watermark
    return SapPull(
        channel=channel,
        **counts,
        tables=pull.tables,
        watermarks={name: None if at is None else at.isoformat() for name, at in watermarks.items()},
        unknown_codes=_counts(pull.tally.unknown_codes),
        without_mode=len(pull.tally.without_mode),
        other_objects=_counts(pull.tally.other_objects),
        other_zones=_counts(pull.tally.zones),
        other_units=_counts(pull.tally.units),
        without_finding=len(pull.tally.without_finding),
        no_failures=_stored_failures(workspace, pull.tally.no_failures),
        time_zone=section.time_zone,
        problems=tuple(pull.problems),
    )


def _store_notifications(pull: _Pull, chunk: Sequence[Entity]) -> None:
    failures = [failure_row(each, pull.plant, pull.tally) for each in chunk]
    pull.store("failures", [row for row in failures if row is not None])
    by_order = {str(each["MaintenanceOrder"]): each for each in chunk if each.get("MaintenanceOrder")}
    orders = by_number(pull.service, order_set(pull.service), list(by_order))
    # What was found may be entered after the order was completed.
    rows = [order_row(order, by_order[number], pull.plant, pull.tally) for number, order in orders.items()]
    rows += [inspection_row(each, pull.plant, pull.tally) for each in chunk]
    pull.store("work_orders", [row for row in rows if row is not None])


def _store_orders(pull: _Pull, chunk: Sequence[Entity]) -> None:
    numbers = [str(each.get("MaintenanceNotification") or "") for each in chunk]
    notifications = by_number(pull.service, notification_set(pull.service), numbers)
    rows = [
        order_row(order, notifications.get(number), pull.plant, pull.tally)
        for order, number in zip(chunk, numbers, strict=True)
        if number in notifications or pull.plant.section.pull == "assets"
    ]
    pull.store("work_orders", [row for row in rows if row is not None])


def _chunks(service: SapService, entities: EntitySet, since: pd.Timestamp | None) -> Iterator[list[Entity]]:
    """Yield pages together, as every batch takes a commit."""
    held: list[Entity] = []
    for page in changed_since(service, entities, since):
        held += page
        if len(held) >= _ROWS_AT_ONCE:
            yield held
            held = []
    if held:
        yield held


def _plant(workspace: Workspace, section: SapSection) -> Plant:
    records, root = open_records(workspace.records_url), workspace.root
    events = events_of_kinds(records, SAP_KINDS)
    predictions = find_predictions(records, [str(event.data["prediction_id"]) for event in events])
    return Plant(
        section=section,
        assets=read_objects(section, root).assets(tables.read(workspace, "assets")["asset"].unique()),
        codes=read_codes(section, root),
        ours={reference_number(event.event_id, section.prefix): event for event in events},
        alerts=frozenset(predictions.loc[predictions["alert"].astype(bool), "prediction_id"]),
    )


def _frame(rows: Sequence[Row], contract: Contract) -> pd.DataFrame:
    names = [column.name for column in contract.columns if any(column.name in row for row in rows)]
    frame = pd.DataFrame(rows, columns=names)
    for name in ("event_time", "known_time"):
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame


def _before(watermark: Any, overlap: pd.Timedelta) -> pd.Timestamp | None:
    return None if watermark is None else pd.Timestamp(watermark) - overlap


def _latest(chunk: Sequence[Entity], watermark: Any) -> Any:
    times = [at for each in chunk if (at := parse_instant(each.get(CHANGED))) is not None]
    latest = max([*times, *([] if watermark is None else [pd.Timestamp(watermark)])])
    return latest.to_pydatetime()


def _counts(numbers: Mapping[str, set[str]]) -> dict[str, int]:
    return {name: len(found) for name, found in sorted(numbers.items(), key=lambda each: (-len(each[1]), each[0]))}


def _stored_failures(workspace: Workspace, numbers: set[str]) -> tuple[str, ...]:
    """Return which notifications are stored as failures, of those that are none any more."""
    if not numbers:
        return ()
    stored = tables.read(workspace, "failures")["failure_id"].astype(str)
    return tuple(sorted(set(stored.map(plain)) & numbers))
