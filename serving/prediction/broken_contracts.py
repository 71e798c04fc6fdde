"""Assets whose latest telemetry broke its contract: it is in quarantine, and what is stored of them is older.

What counts is the order of event time. Bad rows among good ones are passed over, for a good reading came after them; a
reading that was refused and is newer than every good one is what would have been looked at. Such an asset is not
answered from the older ones as if nothing had happened.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from data_contracts.ingestion.quarantine_entries import TABLE
from data_contracts.ingestion.refused_readings import RefusedReadings, count_newer, refused_readings
from data_contracts.tables import tables
from data_contracts.workspace import Workspace
from serving.prediction.stored_telemetry import LatestTelemetry
from serving.schemas.instants import format_instant

_INSTANT = pd.Timedelta(microseconds=1)


@dataclass(frozen=True)
class _Refused:
    """What is in quarantine, by asset, as of a version of the quarantine and one of the telemetry."""

    versions: tuple[int | None, int | None]
    readings: Mapping[str, RefusedReadings]
    now: Mapping[str, str]


class BrokenContracts:
    """Know of which assets the latest telemetry broke its contract.

    Quarantine is asked once a version of it and of the telemetry.

    Parameters
    ----------
    workspace
        Where the tables are.
    latest
        What telemetry there is, of one asset type.
    """

    def __init__(self, workspace: Workspace, latest: LatestTelemetry) -> None:
        self._workspace = workspace
        self._latest = latest
        self._table = f"telemetry/{latest.asset_type}"
        self._lock = threading.Lock()
        self._held = _Refused((None, None), {}, {})

    def why_broken(self, cut_offs: Mapping[str, pd.Timestamp]) -> dict[str, str]:
        """Say of which assets the latest telemetry known at a cut-off broke its contract, and how.

        A reading counts from when it was refused. One that was mended and replayed since counts no more.

        Parameters
        ----------
        cut_offs
            Assets, each with its cut-off. For an answer about the present that is the present: the latest known time
            of an asset's good telemetry would hide what came after it.

        Returns
        -------
        dict of str to str
            The assets concerned, each with the reason.

        Raises
        ------
        StorageError
            If a table cannot be read.
        """
        held = self._refused()
        # Most assets have nothing in quarantine, and most cut-offs are later than all that is known.
        chosen = {asset: as_of for asset, as_of in cut_offs.items() if asset in held.readings}
        if not chosen:
            return {}
        heard = self._latest.known_times()
        past: dict[pd.Timestamp, list[str]] = {}
        reasons = {}
        for asset, as_of in chosen.items():
            if as_of < held.readings[asset].known_time or (asset in heard and as_of < heard[asset]):
                past.setdefault(as_of, []).append(asset)
            elif asset in held.now:
                reasons[asset] = held.now[asset]
        for as_of, assets in past.items():
            reasons |= self._broken_then(assets, as_of)
        return reasons

    def _refused(self) -> _Refused:
        with self._lock:
            latest = self._latest.times()
            versions = tables.latest_version(self._workspace, TABLE), latest.version
            if versions != self._held.versions:
                readings = refused_readings(self._workspace, self._table)
                self._held = _Refused(versions, readings, self._broken(readings, latest.event_times, None))
            return self._held

    def _broken_then(self, assets: list[str], as_of: pd.Timestamp) -> dict[str, str]:
        refused = refused_readings(self._workspace, self._table, as_of=as_of)
        readings = {asset: refused[asset] for asset in assets if asset in refused}
        if not readings:
            return {}
        start = min(each.event_time for each in readings.values()) - _INSTANT
        good, _ = tables.latest_times(
            self._workspace, self._table, as_of=as_of, assets=list(readings), start=start, column="event_time"
        )
        return self._broken(readings, good, as_of)

    def _broken(
        self,
        readings: Mapping[str, RefusedReadings],
        good: Mapping[str, pd.Timestamp],
        as_of: pd.Timestamp | None,
    ) -> dict[str, str]:
        """Compare refused readings with the good ones known at a cut-off; at any time if it is None."""
        broken = {
            asset: good.get(asset)
            for asset, each in readings.items()
            if asset not in good or each.event_time > good[asset]
        }
        newer = count_newer(self._workspace, self._table, broken, as_of=as_of) if broken else {}
        # What was mended between the two looks counts no more.
        return {asset: _reason(readings[asset], newer[asset]) for asset in broken if asset in newer}


def _reason(readings: RefusedReadings, newer: int) -> str:
    others = f"; so did {newer - 1} before it" if newer > 1 else ""
    broken = "; ".join(readings.reasons)
    return f"the latest reading, of {format_instant(readings.event_time)}, broke its contract ({broken}){others}"
