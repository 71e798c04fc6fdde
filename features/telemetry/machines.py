"""The machines that stood under each asset's id, one after the other, as known at a cut-off.

A later asset record puts another machine into service if it names another model, or if its status says ``in_service``
and it names no other plant or line: that would be a move. A record without a status, or one that retires the asset,
puts none into service. Of one model, a record that became known after a record about a later time is a correction: the
machine had been put into service earlier. Records that became known after the cut-off, or are about a later time, do
not count at it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.corrections import stored_versions
from features.telemetry.sorted_times import IntArray, by_group, locate, microseconds

NEVER = int(np.iinfo(np.int64).min)
"""Stands for no instant among microseconds since 1970: earlier than any."""

IN_SERVICE, RETIRED = "in_service", "retired"


def replaced_since(records: pd.DataFrame, assets: "pd.Index[str]", asset: IntArray, as_of: IntArray) -> IntArray | None:
    """Return what `Machines.replaced_since` does, at once where no asset has several records."""
    if len(records) < 2 or records["asset"].is_unique:
        return None
    return Machines.from_frame(records, assets).replaced_since(asset, as_of)


def replacements(records: pd.DataFrame, *, now: pd.Timestamp) -> pd.DataFrame:
    """Return when machines took the place of others under the same id, by all that is known at `now`.

    Columns asset and event_time, sorted by both.
    """
    records = records[(records["known_time"] <= now) & (records["event_time"] <= now)]
    repeated = records[records["asset"].duplicated(keep=False)]
    rows = _Columns.from_frame(repeated, microseconds(repeated["event_time"]), microseconds(repeated["known_time"]))
    code, assets = pd.factorize(repeated["asset"], sort=True)
    found = [
        (asset, machine.begin)
        for asset, places in by_group(code)
        for machine in _in_turn(_last_of_each_event(rows, _in_order(rows, places)))[1:]
    ]
    owner, begins = np.array(found, dtype=np.int64).reshape(-1, 2).T
    times = pd.DatetimeIndex(begins.astype("datetime64[us]"), tz="UTC")
    return pd.DataFrame({"asset": pd.Series(assets.take(owner), dtype="str"), "event_time": times})


@dataclass(frozen=True)
class Machines:
    """Which machine stood under each asset's id, from when on it was known."""

    time: IntArray  # (n,), cut-offs from which on the following is known; sorted within each asset
    begin: IntArray  # (n,), when the machine was put into service
    since: IntArray  # (n,), the same if there was another machine before, `NEVER` if not
    offset: IntArray  # (n_assets + 1,), where each asset begins

    @classmethod
    def from_frame(cls, records: pd.DataFrame, assets: "pd.Index[str]") -> "Machines":
        """Read the asset records of some assets, which may come in any order."""
        asset = assets.get_indexer(pd.Index(records["asset"])).astype(np.int64)
        chosen = records[asset >= 0]
        asset = asset[asset >= 0]
        event, known = microseconds(chosen["event_time"]), microseconds(chosen["known_time"])
        time, begin, since = np.maximum(event, known), event.copy(), np.full(len(event), NEVER)
        several = np.bincount(asset, minlength=len(assets))[asset] > 1
        if several.any():
            rows = _Columns.from_frame(chosen, event, known)
            for _, places in by_group(asset[several]):
                own = np.flatnonzero(several)[places]
                # As many states as records: some may repeat the one before.
                states = sorted(_states(rows, own))
                time[own], begin[own], since[own] = np.array(states, dtype=np.int64).T
        order = np.lexsort((time, asset))
        offset = np.searchsorted(asset[order], np.arange(len(assets) + 1))
        return cls(time[order], begin[order], since[order], offset)

    @property
    def any_replaced(self) -> bool:
        """Whether a machine has ever taken another's place."""
        return bool((self.since > NEVER).any())

    def begins(self, asset: IntArray, as_of: IntArray) -> IntArray:
        """Return when the machine of each cut-off was put into service, (n,); `NEVER` without a record."""
        return self._at(self.begin, asset, as_of)

    def replaced_since(self, asset: IntArray, as_of: IntArray) -> IntArray | None:
        """Return when each cut-off's machine took another's place, (n,), `NEVER` where none; None if none anywhere."""
        return self._at(self.since, asset, as_of) if self.any_replaced else None

    def _at(self, values: IntArray, asset: IntArray, as_of: IntArray) -> IntArray:
        place = locate(self.time, self.offset, asset, as_of, "right") - 1
        known = place >= self.offset[asset]
        result = np.full(len(asset), NEVER)
        result[known] = values[place[known]]
        return result


@dataclass(frozen=True)
class _Machine:
    """What is known of a machine."""

    begin: int
    known: int  # when it was first known that it was put into service
    model: str | None
    place: tuple[str | None, str | None]  # plant and line
    status: str | None = None

    def is_followed_by(self, record: "_Machine") -> bool:
        """Whether a later record is about another machine."""
        if _differ(self.model, record.model):
            return True
        if record.status != IN_SERVICE or record.known < self.known:
            return False
        return not any(map(_differ, self.place, record.place))

    def changed_by(self, record: "_Machine") -> "_Machine":
        """Take over what a later record about the same machine says."""
        plant, line = (new or old for old, new in zip(self.place, record.place, strict=True))
        return replace(self, model=record.model or self.model, place=(plant, line))


@dataclass(frozen=True)
class _Columns:
    """The asset records' columns."""

    event: IntArray
    known: IntArray
    stored: IntArray
    words: dict[str, npt.NDArray[np.object_]]  # model, plant, line and status, None where null

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, event: IntArray, known: IntArray) -> "_Columns":
        absent = np.full(len(frame), None, dtype=object)
        words = {}
        for name in ("model", "plant", "line", "status"):
            column = frame[name].astype(object) if name in frame.columns else None
            words[name] = absent if column is None else column.where(column.notna(), None).to_numpy(dtype=object)
        return cls(event, known, stored_versions(frame), words)

    def machine(self, row: int, first_known: int) -> _Machine:
        """Return what one record says, which was first known of at a time."""
        words = {name: values[row] for name, values in self.words.items()}
        place = (words["plant"], words["line"])
        return _Machine(int(self.event[row]), first_known, words["model"], place, words["status"])


def _states(rows: _Columns, own: IntArray) -> Iterator[tuple[int, int, int]]:
    """Yield, for each record of one asset, from when on it counts and which machine there is known to be then."""
    order = _in_order(rows, own)
    moments = np.maximum(rows.known, rows.event)[order]
    for moment in moments.tolist():
        *others, latest = _in_turn(_last_of_each_event(rows, order[moments <= moment]))
        yield moment, latest.begin, latest.begin if others else NEVER


def _in_turn(records: list[_Machine]) -> list[_Machine]:
    """Return the machines that an asset's records, one of each time, are about, one after the other."""
    machines = records[:1]
    for record in records[1:]:
        if record.status == RETIRED:
            continue
        if machines[-1].is_followed_by(record):
            machines.append(record)
        else:
            machines[-1] = machines[-1].changed_by(record)
    return machines


def _in_order(rows: _Columns, own: IntArray) -> IntArray:
    """Sort the rows of one asset by event time and order of correction."""
    content = [np.array([str(values[row]) for row in own]) for values in rows.words.values()]
    return own[np.lexsort((*content, rows.stored[own], rows.known[own], rows.event[own]))]


def _last_of_each_event(rows: _Columns, known: IntArray) -> list[_Machine]:
    """Return the record of each event time that counts, of records sorted by event time and order of correction."""
    records: dict[int, _Machine] = {}
    for row in known.tolist():
        event = int(rows.event[row])
        first_known = records[event].known if event in records else int(rows.known[row])
        records[event] = rows.machine(row, first_known)
    return list(records.values())


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other
