"""Whether machines run at a time, by the rules that predictions go by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd

from data_contracts.contract.registered import find_telemetry_contract, recorded_type
from data_contracts.tables.readings import last_readings
from features.clock import TIME, Clock, clock_of
from models.artifact.absences import ObservationTerms
from models.labels.breakdowns import LONGEST, NO_TIME
from serving.pages.fleet_state.places import Place
from serving.pages.fleet_state.shown_time import ShownTime

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

StatusCode = Literal["running", "failed", "retired", "stale", "no_telemetry"]
STATUSES: tuple[StatusCode, ...] = ("running", "failed", "retired", "stale", "no_telemetry")
# Older readings than this are as good as none, and looking for them would read years of telemetry.
_LOOK_BACK = pd.Timedelta(days=60)
_CODES: Mapping[str, StatusCode] = {"failed": "failed", "retired": "retired"}


@dataclass(frozen=True)
class Status:
    """Whether a machine runs."""

    code: StatusCode
    at: pd.Timestamp  # the machine's own present, where its times count cycles
    last_reading: pd.Timestamp | None = None
    reason: str | None = None  # in the words of the rules
    clock: Clock = TIME


def statuses(worker: "WorkerContext", places: Iterable[Place], shown: ShownTime) -> dict[str, Status]:
    """Return the status of each machine."""
    by_type: dict[str | None, list[str]] = {}
    for place in places:
        by_type.setdefault(place.asset_type, []).append(place.asset)
    found = {asset: Status("no_telemetry", shown.at) for asset in by_type.pop(None, [])}
    for asset_type, assets in by_type.items():
        if asset_type is not None:
            found |= _of_type(worker, asset_type, assets, shown)
    return found


def _of_type(worker: "WorkerContext", asset_type: str, assets: list[str], shown: ShownTime) -> dict[str, Status]:
    asset_type, stored = telemetry_type(worker, asset_type), worker.predictor.stored
    clock = clock_of(find_telemetry_contract(worker.workspace.contracts, asset_type))
    terms = _terms(worker, asset_type, clock)
    readings, known = _readings(worker, asset_type, assets, shown)
    own = shown.live and clock.cycle is not None
    # Cycles have no present that machines share.
    at = {asset: known[asset] + (clock.cycle or NO_TIME) if own and asset in known else shown.at for asset in assets}
    absent = stored.asset_states(asset_type).reasons(at, terms)
    limit = None if clock.cycle is not None else stored.longest_age(asset_type, worker.settings.stale_after)
    stale_before = None if limit is None else shown.at - limit
    found = {}
    for asset in assets:
        last, reason = readings.get(asset), absent.get(asset)
        code: StatusCode = "running"
        if reason is not None and reason.code in _CODES:
            code = _CODES[reason.code]
        elif last is None or reason is not None:
            code = "no_telemetry"
        elif stale_before is not None and last < stale_before:
            code = "stale"
        found[asset] = Status(code, at[asset], last, None if reason is None else reason.words, clock)
    return found


def telemetry_type(worker: "WorkerContext", recorded: str) -> str:
    """Return the type whose telemetry is looked at: the served model's, if that is derived from the recorded one's."""
    champion = worker.watch.current
    if champion is None:
        return recorded
    served = champion.artifact.recipe.asset_type
    return served if recorded_type(worker.workspace.contracts, served) == recorded else recorded


def _readings(
    worker: "WorkerContext", asset_type: str, assets: list[str], shown: ShownTime
) -> tuple[Mapping[str, pd.Timestamp], Mapping[str, pd.Timestamp]]:
    """Return when each machine last read something, and by when that was known."""
    if shown.live:
        times = worker.predictor.stored.latest_telemetry(asset_type).times()
        return times.reading_times, times.known_times
    table, start = f"telemetry/{asset_type}", shown.at - _LOOK_BACK
    return last_readings(worker.workspace, table, as_of=shown.at, assets=assets, start=start), {}


def _terms(worker: "WorkerContext", asset_type: str, clock: Clock) -> ObservationTerms:
    """Return the terms of the served model; for other types those of a model that has none of its own."""
    champion = worker.watch.current
    if champion is not None and champion.artifact.recipe.asset_type == asset_type:
        return ObservationTerms.of(champion.artifact)
    return ObservationTerms(_LOOK_BACK, NO_TIME, LONGEST, clock)
