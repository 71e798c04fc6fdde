"""Assets that do not run at their cut-offs, by what is stored and what was sent: failed, retired, or not yet heard of.

A request in the present costs a look-up an asset: the last failure, the retirement and the latest reading of each are
kept until their tables change. Only for a cut-off in the past is telemetry looked up, and once.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from data_contracts.workspace import Workspace
from features.telemetry.sorted_times import IntArray, microseconds, width
from models.artifact.absences import KnownAssets, ObservationTerms, absence_reasons, stored_readings
from models.artifact.reasons import Reason
from models.labels.observation import NEVER
from models.labels.observation_gaps import RETIRED
from serving.prediction.stored_fleet import StoredFleet
from serving.prediction.stored_telemetry import LatestTelemetry
from serving.schemas.instants import microseconds_of

_NOTHING_SENT: Mapping[str, int] = MappingProxyType({})
_END = pd.Timestamp("2261-01-01", tz="UTC").as_unit("us")


@dataclass(frozen=True)
class _Stored:
    """What the tables say of an asset that has ever failed, been retired or been replaced."""

    last_failure: int
    replaced: int
    retired: bool
    since: int  # at earlier cut-offs some of it was not known yet


@dataclass(frozen=True)
class _Cache:
    """What was looked up, for these versions of the tables and these terms."""

    key: tuple[object, ...]
    changed: frozenset[str]  # the assets that have ever been retired, or have several records
    stored: dict[str, _Stored]
    # Assets that have read something since a time at which they did not run, and a cut-off at which that was known.
    back: dict[str, tuple[int, int]]


class AssetStates:
    """Find the assets of a type that do not run."""

    def __init__(self, workspace: Workspace, fleet: StoredFleet, latest: LatestTelemetry) -> None:
        self._workspace = workspace
        self._fleet = fleet
        self._latest = latest
        self._lock = threading.Lock()
        self._cached = _Cache((), frozenset(), {}, {})

    def reasons(
        self, cut_offs: Mapping[str, pd.Timestamp], terms: ObservationTerms, sent: Mapping[str, int] = _NOTHING_SENT
    ) -> dict[str, Reason]:
        """Return the assets that do not run at their cut-offs, with the reasons.

        `sent` has the times of the last readings that came with the request, in microseconds since 1970: an asset that
        has read something since its failure is back, whatever is stored.
        """
        cache = self._cache(terms)
        stored = self._look_up(list(cut_offs), cache, terms)
        if not stored:
            return {}
        assets = list(stored)
        as_of = np.array([microseconds_of(cut_offs[asset]) for asset in assets], dtype=np.int64)
        known = self._at(stored, as_of, terms)
        reading = np.array([sent.get(asset, NEVER) for asset in assets], dtype=np.int64)
        needed = known.needs_reading_after(terms)
        # Whether a failure is over by its time alone, or there is none, needs no reading.
        unsure = np.flatnonzero((needed > NEVER) & (needed < as_of) & (reading <= needed))
        if len(unsure):
            some = [assets[place] for place in unsure]
            reading[unsure] = self._readings(cache, some, as_of[unsure], needed[unsure], terms)
        reasons = absence_reasons(as_of, reading, known, terms)
        return {asset: reason for asset, reason in zip(assets, reasons, strict=True) if reason is not None}

    def _cache(self, terms: ObservationTerms) -> _Cache:
        records = self._fleet.table("assets")
        key = (self._fleet.table("failures").version, records.version, terms)
        with self._lock:
            if self._cached.key != key:
                self._cached = _Cache(key, _ever_changed(records.frame), {}, {})
            return self._cached

    def _look_up(self, assets: Sequence[str], cache: _Cache, terms: ObservationTerms) -> dict[str, _Stored]:
        failures = self._fleet.table("failures")
        suspects = [asset for asset in assets if asset in failures.spans or asset in cache.changed]
        new = [asset for asset in suspects if asset not in cache.stored]
        if new:
            rows, records = failures.rows_of(new), self._fleet.table("assets").rows_of(new)
            known = KnownAssets.at(pd.DataFrame({"asset": new, "as_of": _END}), rows, records, terms)
            since = _known_since(new, rows, records)
            columns = zip(new, known.failure, known.replaced, known.retired, since, strict=True)
            cache.stored.update({asset: _Stored(*of) for asset, *of in columns})
        return {asset: cache.stored[asset] for asset in suspects}

    def _at(self, stored: Mapping[str, _Stored], as_of: IntArray, terms: ObservationTerms) -> KnownAssets:
        """Return what was known of each asset at its cut-off."""
        failure = np.array([of.last_failure for of in stored.values()], dtype=np.int64)
        replaced = np.array([of.replaced for of in stored.values()], dtype=np.int64)
        retired = np.array([of.retired for of in stored.values()], dtype=np.bool_)
        past = np.flatnonzero(as_of < np.array([of.since for of in stored.values()]))
        if len(past):
            names = list(stored)
            some = [names[place] for place in past]
            rows, records = self._fleet.table("failures").rows_of(some), self._fleet.table("assets").rows_of(some)
            cut_offs = pd.DataFrame({"asset": some, "as_of": pd.to_datetime(as_of[past], unit="us", utc=True)})
            then = KnownAssets.at(cut_offs, rows, records, terms)
            failure[past], replaced[past], retired[past] = then.failure, then.replaced, then.retired
        return KnownAssets(failure, replaced, retired)

    def _readings(
        self,
        cache: _Cache,
        assets: Sequence[str],
        as_of: IntArray,
        over: IntArray,
        terms: ObservationTerms,
    ) -> IntArray:
        """Return a reading of each asset later than `over`, known by its cut-off; `NEVER` if there is none."""
        latest = self._latest.times()
        found = np.full(len(assets), NEVER, dtype=np.int64)
        past = []
        for place, asset in enumerate(assets):
            known = latest.known_times.get(asset)
            if known is None:
                continue
            if as_of[place] >= microseconds_of(known):
                reading = latest.reading_times.get(asset)
                found[place] = NEVER if reading is None else microseconds_of(reading)
            elif (back := cache.back.get(asset)) is not None and back[0] == over[place] and back[1] <= as_of[place]:
                found[place] = over[place] + 1
            else:
                past.append(place)
        if past:
            found[past] = self._earlier_readings([assets[place] for place in past], as_of[past], over[past], terms)
            for place in past:
                if found[place] > NEVER:
                    cache.back[assets[place]] = int(over[place]), int(as_of[place])
        return found

    def _earlier_readings(
        self, assets: Sequence[str], as_of: IntArray, over: IntArray, terms: ObservationTerms
    ) -> IntArray:
        cut_offs = pd.DataFrame({"asset": assets, "as_of": pd.to_datetime(as_of, unit="us", utc=True)})
        # Most have a reading in the model's window, which is read for the prediction too; months are read for few.
        near = np.maximum(over, as_of - width(terms.window))
        found = stored_readings(self._workspace, self._fleet.asset_type, cut_offs, near)
        far = np.flatnonzero((found == NEVER) & (over < near))
        if len(far):
            found[far] = stored_readings(self._workspace, self._fleet.asset_type, cut_offs.iloc[far], over[far])
        return found


def _known_since(assets: Sequence[str], *tables: pd.DataFrame) -> list[int]:
    since = dict.fromkeys(assets, NEVER)
    for rows in tables:
        usable = np.maximum(microseconds(rows["event_time"]), microseconds(rows["known_time"]))
        for asset, time in zip(rows["asset"], usable.tolist(), strict=True):
            since[asset] = max(since[asset], time)
    return list(since.values())


def _ever_changed(records: pd.DataFrame) -> frozenset[str]:
    several = records["asset"].duplicated()
    if "status" in records.columns:
        several |= records["status"].eq(RETIRED).fillna(False)
    return frozenset(records.loc[several, "asset"])
