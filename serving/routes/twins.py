"""Twins over HTTP: a state, a list, a log, and what becomes of a change."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.errors import NotFoundError, UsageError
from data_contracts.records.twin_records import TwinCommand, TwinEntry
from data_contracts.twin_state.log import StaleRevisionError, read_log
from data_contracts.twin_state.rules import CLOCK_TOLERANCE, Rejection
from data_contracts.twin_state.state_types import PropertyValue, Twin
from data_contracts.twin_state.transitions import Change, Session, Written, roll_back, write
from data_contracts.twin_state.twins import find_twin, list_twins, state_of
from features.clock import clock_of
from serving.http.errors import NOT_FOUND, PRECONDITION_FAILED, UNPROCESSABLE, ApiError, unprocessable
from serving.http.json_bodies import show
from serving.schemas.answers.twins import (
    ListedTwinAnswer,
    TwinAnswer,
    TwinChangeAnswer,
    TwinCommandAnswer,
    TwinEntryAnswer,
    TwinLogAnswer,
    TwinPropertyAnswer,
    TwinsAnswer,
    TwinValueAnswer,
)
from serving.schemas.instants import format_instant
from serving.schemas.query_parameters import instant_parameter
from serving.schemas.request_bodies import is_name
from serving.schemas.twin_requests import RollBackRequest, TwinChangeRequest

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_LIMIT, _MOST = 100, 1_000


def list_all(worker: "WorkerContext", query: Mapping[str, str]) -> TwinsAnswer:
    """List twins by name, after one, of a type."""
    _only(query, "asset_type", "after", "limit")
    limit, after = _whole(query, "limit", _LIMIT, _MOST), query.get("after", "")
    engine = worker.predictor.log.commit.engine()
    listed = [
        each
        for each in list_twins(worker.workspace, engine, asset_type=query.get("asset_type"))
        if each.twin.asset > after
    ]
    shown = [
        ListedTwinAnswer(
            asset=each.twin.asset,
            asset_type=each.twin.asset_type,
            plant=each.twin.plant,
            line=each.twin.line,
            revision=each.revision,
        )
        for each in listed[:limit]
    ]
    return TwinsAnswer(twins=shown, next=shown[-1]["asset"] if len(listed) > limit else None)


def describe(worker: "WorkerContext", asset: str, query: Mapping[str, str]) -> TwinAnswer:
    """Describe the state of a twin, by what was known at ``as_of`` if that is given."""
    _only(query, "as_of")
    twin, now = _find(worker, asset), worker.predictor.clock()
    as_of = _as_of(query, now) if "as_of" in query else None
    state = state_of(worker.workspace, worker.predictor.log.commit.engine(), twin, now=now, as_of=as_of)
    answer = TwinAnswer(
        asset=twin.asset,
        asset_type=twin.asset_type,
        plant=twin.plant,
        line=twin.line,
        as_of=format_instant(state.as_of),
        revision=state.revision,
        properties={
            name: TwinPropertyAnswer(
                unit=_unit(twin, name),
                current=None if own.current is None else _value(twin, own.current),
                covered=[_value(twin, value) for value in own.covered],
            )
            for name, own in state.properties.items()
        },
        looked_back_to=_time(state.looked_back_to),
        commands=[_command(command) for command in state.commands],
    )
    if twin.counts_cycles:
        answer["clock"] = "cycle"
    return answer


def list_log(worker: "WorkerContext", asset: str, query: Mapping[str, str]) -> TwinLogAnswer:
    """List a twin's log, or its rejected or accepted entries only."""
    _only(query, "rejected", "before", "limit")
    twin, limit = _find(worker, asset), _whole(query, "limit", _LIMIT, _MOST)
    if query.get("rejected", "true") not in ("true", "false"):
        raise unprocessable("rejected", show(query["rejected"]), "true or false")
    rejected = query["rejected"] == "true" if "rejected" in query else None
    before = _whole(query, "before", 0, 2**31 - 1) if "before" in query else None
    engine = worker.predictor.log.commit.engine()
    entries = read_log(engine, twin.asset, rejected=rejected, before=before, limit=limit + 1)
    following = entries[limit - 1].number if len(entries) > limit else None
    return TwinLogAnswer(asset=twin.asset, entries=[_entry(each) for each in entries[:limit]], next=following)


def change(
    worker: "WorkerContext", asset: str, request: TwinChangeRequest, *, actor: str, expected: int | None
) -> TwinChangeAnswer:
    """Change properties; ApiError 412 for a stale revision, 422 for what breaks a rule, which the log keeps."""
    twin, message = _find(worker, asset), request.message
    changes = [
        Change(name, own.value, own.expires_at or (None if own.value is None else request.expires_at), own.event_time)
        for name, own in request.properties.items()
    ]
    try:
        written = write(
            worker.predictor.log.commit.engine(),
            twin,
            changes,
            actor=actor,
            reason=request.reason,
            now=worker.predictor.clock(),
            source=request.source,
            session=None if message is None else Session(message.epoch, message.sequence),
            expected=expected,
        )
    except StaleRevisionError as error:
        raise _stale(error) from None
    for name, rejection in written.rejections.items():
        raise _rejected(twin, rejection, _field(name, rejection, request))
    return _changed(written)


def go_back(
    worker: "WorkerContext", asset: str, request: RollBackRequest, *, actor: str, expected: int | None
) -> TwinChangeAnswer:
    """Roll back to a revision; errors as for a change."""
    twin = _find(worker, asset)
    engine, now = worker.predictor.log.commit.engine(), worker.predictor.clock()
    if not (request.reason or "").strip():
        raise unprocessable("reason", "no reason", "why the state is rolled back, in words", "Give a reason")
    try:
        written = roll_back(
            engine, twin, request.revision, actor=actor, reason=request.reason, now=now, expected=expected
        )
    except StaleRevisionError as error:
        raise _stale(error) from None
    except UsageError as error:
        raise unprocessable("revision", error.found, error.expected) from None
    for rejection in written.rejections.values():
        raise _rejected(twin, rejection, None)
    return _changed(written)


def _find(worker: "WorkerContext", asset: str) -> Twin:
    if not is_name(asset):
        raise ApiError(NOT_FOUND, "asset", "a text that cannot be an asset's name", "a known asset", "Correct it")
    try:
        return find_twin(worker.workspace, asset)
    except NotFoundError as error:
        raise ApiError(NOT_FOUND, "asset", error.found, error.expected, error.remedy) from None


def _as_of(query: Mapping[str, str], now: pd.Timestamp) -> pd.Timestamp:
    as_of = instant_parameter(query, "as_of")
    if as_of > now + CLOCK_TOLERANCE:
        expected = f"an instant up to now, {format_instant(now)}"
        raise unprocessable("as_of", f"the future instant {format_instant(as_of)}", expected)
    return min(as_of, now)


def _only(query: Mapping[str, str], *names: str) -> None:
    for name in query:
        if name not in names:
            raise unprocessable(name[:80], "an unknown parameter", f"only {', '.join(names)}", "Remove it")


def _whole(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and 0 < int(text) <= most):
        raise unprocessable(name, show(text), f"a whole number from 1 to {most}")
    return int(text)


def _stale(error: StaleRevisionError) -> ApiError:
    return ApiError(PRECONDITION_FAILED, "If-Match", error.found, error.expected, error.remedy)


def _rejected(twin: Twin, rejection: Rejection, field: str | None) -> ApiError:
    remedy = f"{rejection.remedy}. Nothing has changed; the log of {twin.asset} keeps the attempt, as rejected"
    return ApiError(UNPROCESSABLE, field, rejection.found, rejection.expected, remedy)


def _field(name: str, rejection: Rejection, request: TwinChangeRequest) -> str:
    own = request.properties[name]
    shared = rejection.field == "reason" or (rejection.field == "expires_at" and own.expires_at is None)
    part = "" if rejection.field == "property" else f".{rejection.field}"
    return rejection.field if shared else f"properties.{name[:80]}{part}"


def _changed(written: Written) -> TwinChangeAnswer:
    return TwinChangeAnswer(
        asset=written.asset,
        revision=written.revision,
        stored=written.stored,
        entries=[_entry(entry) for entry in written.entries],
        notes=list(written.notes),
    )


def _entry(entry: TwinEntry) -> TwinEntryAnswer:
    value: Any = entry.value
    return TwinEntryAnswer(
        number=entry.number,
        revision=entry.revision,
        property=entry.property,
        kind=entry.kind,
        source=entry.source,
        value=None if isinstance(value, float) and not math.isfinite(value) else value,
        event_time=format_instant(entry.event_time),
        known_time=format_instant(entry.known_time),
        expires_at=_time(entry.expires_at),
        actor=entry.actor,
        reason=entry.reason,
        restores=entry.restores,
        rejection=entry.rejection,
        epoch=entry.epoch,
        sequence=entry.sequence,
    )


def _command(command: TwinCommand) -> TwinCommandAnswer:
    return TwinCommandAnswer(
        command_id=command.command_id,
        number=command.number,
        property=command.property,
        kind=command.kind,
        value=command.value,
        unit=command.unit,
        state=command.state,
        attempts=command.attempts,
        issued_at=format_instant(command.issued_at),
        expires_at=format_instant(command.expires_at),
        sent_at=_time(command.sent_at),
        answered_at=_time(command.answered_at),
        answer=command.answer,
    )


def _value(twin: Twin, value: PropertyValue) -> TwinValueAnswer:
    answer = TwinValueAnswer(
        value=value.value,
        source=value.source,
        event_time=format_instant(value.event_time),
        known_time=format_instant(value.known_time),
        revision=value.revision,
        actor=value.actor,
        reason=value.reason,
        expires_at=_time(value.expires_at),
    )
    # What was written has a time, whatever the clock of the telemetry.
    cycle = clock_of(twin.contract).number(value.event_time) if value.revision is None else None
    if cycle is not None:
        answer["cycle"] = cycle
    return answer


def _unit(twin: Twin, name: str) -> str | None:
    column = None if twin.contract is None else twin.contract.column(name)
    return None if column is None else column.unit


def _time(time: pd.Timestamp | None) -> str | None:
    return None if time is None else format_instant(time)
