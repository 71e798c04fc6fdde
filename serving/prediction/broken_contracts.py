"""Assets whose latest telemetry broke its contract: it is in quarantine, and what is stored of them is older.

Event time decides. Bad readings followed by a good one are ignored; a refused reading newer than every good one is what
the prediction would have used. Such an asset gets no prediction from its older readings.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from data_contracts.ingestion.quarantine_entries import TABLE
from data_contracts.ingestion.refused_readings import RefusedReadings, count_newer, refused_readings
from data_contracts.tables import tables
from data_contracts.workspace import Workspace
from models.artifact.reasons import Reason
from serving.prediction.stored_telemetry import LatestTelemetry
from serving.schemas.instants import format_instant

_MICROSECOND = pd.Timedelta(microseconds=1)


@dataclass(frozen=True)
class _Quarantined:
    """What is in quarantine, by asset."""

    versions: tuple[int | None, int | None]  # of the quarantine and of the telemetry
    readings: Mapping[str, RefusedReadings]
    current_reasons: Mapping[str, Reason]  # of the assets whose contract is broken now


class BrokenContracts:
    """Find the assets whose latest telemetry broke its contract.

    The quarantine is read once per version of it and of the telemetry.
    """

    def __init__(self, workspace: Workspace, latest: LatestTelemetry) -> None:
        self._workspace = workspace
        self._latest = latest
        self._table = f"telemetry/{latest.asset_type}"
        self._lock = threading.Lock()
        self._cached = _Quarantined((None, None), {}, {})

    def reasons(self, cut_offs: Mapping[str, pd.Timestamp]) -> dict[str, Reason]:
        """Return the assets whose latest telemetry known at their cut-offs broke its contract, with the reasons.

        A reading counts from when it was refused, and no more once it was repaired and replayed. For an answer about
        the present the cut-off is the present: the latest known time of an asset's good telemetry would hide what came
        after it.
        """
        quarantined = self._quarantined()
        # Most assets have nothing in quarantine, and most cut-offs are later than all that is known.
        suspects = {asset: as_of for asset, as_of in cut_offs.items() if asset in quarantined.readings}
        if not suspects:
            return {}
        latest = self._latest.known_times()
        past: dict[pd.Timestamp, list[str]] = {}
        reasons: dict[str, Reason] = {}
        for asset, as_of in suspects.items():
            if as_of < quarantined.readings[asset].known_time or (asset in latest and as_of < latest[asset]):
                past.setdefault(as_of, []).append(asset)
            elif asset in quarantined.current_reasons:
                reasons[asset] = quarantined.current_reasons[asset]
        for as_of, assets in past.items():
            reasons |= self._broken_at(assets, as_of)
        return reasons

    def _quarantined(self) -> _Quarantined:
        with self._lock:
            latest = self._latest.times()
            versions = tables.latest_version(self._workspace, TABLE), latest.version
            if versions != self._cached.versions:
                readings = refused_readings(self._workspace, self._table)
                self._cached = _Quarantined(versions, readings, self._broken(readings, latest.event_times, None))
            return self._cached

    def _broken_at(self, assets: list[str], as_of: pd.Timestamp) -> dict[str, Reason]:
        refused = refused_readings(self._workspace, self._table, as_of=as_of)
        readings = {asset: refused[asset] for asset in assets if asset in refused}
        if not readings:
            return {}
        start = min(reading.event_time for reading in readings.values()) - _MICROSECOND
        latest_good, _ = tables.asset_watermarks(
            self._workspace, self._table, as_of=as_of, assets=list(readings), start=start, column="event_time"
        )
        return self._broken(readings, latest_good, as_of)

    def _broken(
        self,
        readings: Mapping[str, RefusedReadings],
        latest_good: Mapping[str, pd.Timestamp],
        as_of: pd.Timestamp | None,
    ) -> dict[str, Reason]:
        """Compare refused readings with the good ones known at a cut-off; at any time if it is None."""
        broken = {
            asset: latest_good.get(asset)
            for asset, refused in readings.items()
            if asset not in latest_good or refused.event_time > latest_good[asset]
        }
        n_newer = count_newer(self._workspace, self._table, broken, as_of=as_of) if broken else {}
        # What was repaired between the two queries no longer counts.
        return {asset: _reason(readings[asset], n_newer[asset]) for asset in broken if asset in n_newer}


def _reason(readings: RefusedReadings, n_newer: int) -> Reason:
    others = f"; so did {n_newer - 1} before it" if n_newer > 1 else ""
    broken = "; ".join(readings.reasons)
    latest = format_instant(readings.event_time)
    return Reason("contract", f"the latest reading, of {latest}, broke its contract ({broken}){others}")
