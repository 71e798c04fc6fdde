"""The latest readings as the live path keeps them: folded from each stored flush, in SQL for everybody to read.

They are a copy of what the tables of telemetry say, and know up to which version of the table. Whoever finds a later
version asks the table instead; and who folds on after others have stored something reads it there first.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from data_contracts.contract.contract_types import STORED_VERSION, Contract
from data_contracts.errors import StorageError
from data_contracts.records.records import storage_errors
from data_contracts.records.twin_records import TwinFold, TwinReadings
from data_contracts.tables.table_access import open_to_read, query, storage
from data_contracts.twin_state.latest_readings import instant_of, latest_readings
from data_contracts.twin_state.newest_rows import Integers, TelemetryRows, newest_rows
from data_contracts.twin_state.state_types import PHYSICAL, SIMULATION, Reading
from data_contracts.workspace import Workspace

_LOGGER = logging.getLogger("forewarn.twins")
_FOLD, _ROWS = TwinFold.table, TwinReadings.table


@dataclass(frozen=True)
class StoredFlush:
    """Rows that one commit of a stream has stored; every array has a value for each row."""

    contract: Contract
    version: int  # of the table, which the commit made
    assets: Sequence[str]
    codes: Integers  # of the row's asset
    event_us: Integers  # microseconds since 1970
    known_us: Integers
    good: npt.NDArray[np.bool_]  # which rows are stored
    channels: Mapping[str, npt.NDArray[np.float64]]  # NaN without a value
    as_stored: bool = True  # whether these are the stored values; else the table is read


@dataclass
class _Folded:
    """The latest readings of a table in memory, by asset; as they are in SQL."""

    version: int
    readings: dict[str, dict[str, list[Any]]]  # by asset and property: value, source, event and known time (µs)
    stored: set[str] = field(default_factory=set)  # assets that have a row


class CurrentReadings:
    """Keeps the latest readings of streams up to date; one process a workspace does, beside what it stores."""

    def __init__(self, workspace: Workspace, engine: sa.Engine) -> None:
        self._workspace, self._engine = workspace, engine
        self._tables: dict[str, _Folded] = {}

    def fold(self, flushes: Iterable[StoredFlush], now: pd.Timestamp) -> None:
        """Fold what has just been stored; if that fails, readers ask the tables until it succeeds again."""
        for flush in flushes:
            try:
                self._fold(flush, now)
            except StorageError as error:
                self._tables.pop(flush.contract.table, None)
                _LOGGER.warning("the latest readings of %s are behind: %s", flush.contract.table, error.found)
            except Exception:  # what is stored must not depend on its copy
                self._tables.pop(flush.contract.table, None)
                _LOGGER.exception("the latest readings of %s are behind", flush.contract.table)

    def _fold(self, flush: StoredFlush, now: pd.Timestamp) -> None:
        table = flush.contract.table
        folded = self._tables.get(table)
        if folded is None:
            folded = self._tables[table] = self._load(table)
        changed, reread = set[str](), set[str]()
        if folded.version == flush.version - 1:
            changed = _take(folded, flush) if flush.as_stored else _assets(flush)
            reread = _taken_back(folded, flush) if flush.as_stored else changed
        else:
            # Somebody else has stored something since, or the table is another one.
            since = folded.version if folded.version < flush.version else -1
            reread = set(self._assets_since(table, since))
        if reread:
            self._reread(flush, folded, sorted(reread), now)
        self._save(table, folded, changed | reread, flush.version)

    def _load(self, table: str) -> _Folded:
        with storage_errors(self._engine), self._engine.connect() as connection:
            version = connection.execute(sa.select(_FOLD.c.version).where(_FOLD.c.telemetry == table)).scalar()
            rows = connection.execute(sa.select(_ROWS.c.asset, _ROWS.c.readings).where(_ROWS.c.telemetry == table))
            readings = {asset: json.loads(text) for asset, text in rows.tuples()}
        return _Folded(-1 if version is None else version, readings, set(readings))

    def _assets_since(self, table: str, version: int) -> list[str]:
        """Return the assets of the rows that later versions stored."""
        with storage(self._workspace, table):
            delta = open_to_read(self._workspace, table)
            if delta is None:
                return []
            rows = query(delta, f"SELECT DISTINCT asset FROM t WHERE coalesce({STORED_VERSION}, 0) > {version}")  # noqa: S608
            assets: list[str] = rows["asset"].to_pylist()
            return assets

    def _reread(self, flush: StoredFlush, folded: _Folded, assets: Sequence[str], now: pd.Timestamp) -> None:
        # An edge's clock may be ahead: what it has sent is kept, and counts when its time comes.
        latest = max((int(times.max()) for times in (flush.event_us, flush.known_us) if len(times)), default=0)
        as_of = max(instant_of(latest), now)
        found = latest_readings(self._workspace, flush.contract.table, assets, flush.contract.channels, as_of)
        for asset, readings in found.readings.items():
            folded.readings[asset] = {each.name: _packed(each) for each in readings}

    def _save(self, table: str, folded: _Folded, changed: set[str], version: int) -> None:
        rows = [
            {"telemetry": table, "asset": asset, "readings": json.dumps(folded.readings[asset])}
            for asset in sorted(changed & folded.readings.keys())
        ]
        known = [
            {"of": table, "which": row["asset"], "packed": row["readings"]}
            for row in rows
            if row["asset"] in folded.stored
        ]
        new = [row for row in rows if row["asset"] not in folded.stored]
        with storage_errors(self._engine), self._engine.begin() as connection:
            if known:
                own = (_ROWS.c.telemetry == sa.bindparam("of"), _ROWS.c.asset == sa.bindparam("which"))
                change = sa.update(_ROWS).where(*own).values(readings=sa.bindparam("packed"))
                connection.execute(change, known)
            if new:
                connection.execute(sa.insert(_ROWS), new)
            moved = sa.update(_FOLD).where(_FOLD.c.telemetry == table).values(version=version)
            if not connection.execute(moved).rowcount:
                connection.execute(sa.insert(_FOLD).values(telemetry=table, version=version))
        folded.version = version
        folded.stored |= {row["asset"] for row in rows}


def read_current(engine: sa.Engine, table: str, asset: str) -> tuple[int, list[Reading]] | None:
    """Return an asset's latest readings with the version of the table that they are of; None without any."""
    statement = sa.select(_FOLD.c.version, _ROWS.c.readings).join(_ROWS, _ROWS.c.telemetry == _FOLD.c.telemetry)
    with storage_errors(engine), engine.connect() as connection:
        own = statement.where(_ROWS.c.telemetry == table, _ROWS.c.asset == asset)
        row = connection.execute(own).one_or_none()
    if row is None:
        return None
    return row.version, [_unpacked(name, packed) for name, packed in json.loads(row.readings).items()]


def _take(folded: _Folded, flush: StoredFlush) -> set[str]:
    """Take a flush's readings where they are newer; return the assets that it has rows of."""
    rows = _stored_rows(flush)
    numbers = np.flatnonzero(flush.good)
    for channel, places in newest_rows(rows, len(flush.assets)).items():
        if channel not in flush.channels:
            continue
        values = flush.channels[channel][numbers]
        present = places >= 0
        chosen = places[present]
        news = zip(
            np.flatnonzero(present).tolist(),
            values[chosen].tolist(),
            rows.event_us[chosen].tolist(),
            rows.known_us[chosen].tolist(),
            strict=True,
        )
        for code, value, event, known in news:
            own = folded.readings.setdefault(flush.assets[code], {})
            before = own.get(channel)
            if before is None or before[1] == SIMULATION or (before[2], before[3]) <= (event, known):
                own[channel] = [value, PHYSICAL, event, known]
    return _assets(flush)


def _assets(flush: StoredFlush) -> set[str]:
    return {flush.assets[code] for code in np.unique(flush.codes[flush.good]).tolist()}


def _taken_back(folded: _Folded, flush: StoredFlush) -> set[str]:
    """Return the assets of which a row may correct the latest reading, or meet a correction at its instant."""
    rows = _stored_rows(flush)
    suspicious = set()
    for channel, missing in rows.missing.items():
        latest = np.full(len(flush.assets), -1, dtype=np.int64)
        source = np.zeros(len(flush.assets), dtype=bool)
        for code, asset in enumerate(flush.assets):
            before = folded.readings.get(asset, {}).get(channel)
            if before is not None:
                latest[code], source[code] = before[2], before[1] != PHYSICAL
        same = rows.event_us == latest[rows.codes]
        for code in np.unique(rows.codes[same & (missing | source[rows.codes])]).tolist():
            suspicious.add(flush.assets[code])
    return suspicious


def _stored_rows(flush: StoredFlush) -> TelemetryRows:
    good = flush.good
    nothing = np.ones(int(good.sum()), dtype=bool)  # of a channel that did not come
    channels = {name: flush.channels.get(name) for name in flush.contract.channels}
    return TelemetryRows(
        codes=flush.codes[good],
        event_us=flush.event_us[good],
        known_us=flush.known_us[good],
        stored=np.zeros(int(good.sum()), dtype=np.int64),
        missing={name: nothing if values is None else np.isnan(values[good]) for name, values in channels.items()},
    )


def _packed(reading: Reading) -> list[Any]:
    times = (int(time.as_unit("us").asm8.view("i8")) for time in (reading.event_time, reading.known_time))
    return [reading.value, reading.source, *times]


def _unpacked(name: str, packed: Sequence[Any]) -> Reading:
    value, source, event, known = packed
    return Reading(name, value, source, instant_of(event), instant_of(known))
