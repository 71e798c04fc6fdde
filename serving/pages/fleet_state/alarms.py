"""The alarms of machines at the time that a page shows, by the definition of `models.alarms`."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.contract.registered import find_telemetry_contract
from data_contracts.records.overview.fleet_predictions import AnsweringModel, answering_models
from features.clock import clock_of
from models.alarms import Alarm, Closings, closings_known, find_alarms, marked
from models.alarms import open_alarms as alarms_open
from models.artifact.announcement import announcement_terms
from serving.pages.fleet_state.places import machine_places
from serving.pages.fleet_state.shown_time import ShownTime
from serving.pages.fleet_state.statuses import statuses, telemetry_type
from serving.prediction.stored_fleet import StoredTables

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext


def open_alarms(
    worker: "WorkerContext",
    models: Sequence[AnsweringModel],
    presents: Mapping[str, pd.Timestamp],
    shown: ShownTime,
    *,
    asset: str | None = None,
) -> dict[str, tuple[Alarm, ...]]:
    """Return the open alarms of each machine, or of one, with their marks, that which leaves the least time first."""
    engine = worker.predictor.log.commit.engine()
    alarms = alarms_open(engine, models, closings_at(worker, shown), **_terms(worker, presents, shown, asset))
    found: dict[str, list[Alarm]] = {}
    for alarm in marked(engine, alarms, shown.at):
        found.setdefault(alarm.asset, []).append(alarm)
    return {name: tuple(sorted(own, key=lambda alarm: alarm.closes)) for name, own in found.items()}


def alarms_since(
    worker: "WorkerContext",
    since: pd.Timestamp,
    shown: ShownTime,
    *,
    asset: str | None = None,
    presents: Mapping[str, pd.Timestamp] | None = None,
) -> list[Alarm]:
    """Return the alarms whose claim ends after a time, of all machines or one, with their marks, the latest first."""
    engine = worker.predictor.log.commit.engine()
    models = answering_models(engine, until=shown.at, made_by=shown.known_by)
    own = own_presents(worker, shown) if presents is None else presents
    closings = closings_at(worker, shown)
    alarms = find_alarms(engine, models, closings, since=since, **_terms(worker, own, shown, asset))
    return marked(engine, sorted(alarms, key=lambda alarm: (alarm.opened, alarm.asset, alarm.model))[::-1], shown.at)


def own_presents(worker: "WorkerContext", shown: ShownTime) -> dict[str, pd.Timestamp]:
    """Return the presents of machines whose times count cycles; others share the time that is shown."""
    places = machine_places(worker, shown).values()
    # Contracts are looked up in a folder: once for each type, not for each machine.
    types = {place.asset_type for place in places if place.asset_type is not None}
    in_cycles = {asset_type for asset_type in types if _counts_cycles(worker, asset_type)}
    counting = [place for place in places if place.asset_type in in_cycles]
    return {asset: status.at for asset, status in statuses(worker, counting, shown).items()}


def closings_at(worker: "WorkerContext", shown: ShownTime) -> Closings:
    """Return what was known by a time of what ends alarms."""
    stored, names = worker.predictor.stored.tables, ("failures", "work_orders", "assets")
    versions = tuple(stored.table(name).version for name in names)
    return _closings(stored, versions, shown.known_by)


@lru_cache(maxsize=4)
def _closings(stored: StoredTables, _versions: tuple[int | None, ...], known_by: pd.Timestamp | None) -> Closings:
    failures, orders, records = (stored.table(name).frame for name in ("failures", "work_orders", "assets"))
    known = (frame["known_time"].max() for frame in (failures, orders, records) if len(frame))
    latest = max(known, default=pd.Timestamp(0, tz="UTC"))
    return closings_known(failures, orders, records, known_by or latest)


def _terms(
    worker: "WorkerContext", presents: Mapping[str, pd.Timestamp], shown: ShownTime, asset: str | None
) -> dict[str, Any]:
    own = {name: at for name, at in presents.items() if at != shown.at}
    return {"at": shown.at, "made_by": shown.known_by, "gaps": _gaps(worker), "presents": own, "asset": asset}


def _gaps(worker: "WorkerContext") -> dict[str, pd.Timedelta]:
    champion = worker.watch.current
    terms = None if champion is None else announcement_terms(champion.artifact)
    return {} if champion is None or terms is None else {champion.name: terms.gap}


def _counts_cycles(worker: "WorkerContext", asset_type: str) -> bool:
    contract = find_telemetry_contract(worker.workspace.contracts, telemetry_type(worker, asset_type))
    return clock_of(contract).cycle is not None
