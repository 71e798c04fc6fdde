"""Assets whose latest telemetry broke its contract: it is in quarantine, and what is stored of them is older.

What counts is the order of event time. Bad rows among good ones are passed over, for a good reading came after them; a
reading that was refused and is newer than every good one is what would have been looked at. Such an asset is not
answered from the older ones as if nothing had happened.
"""

import json
import threading
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import pandas as pd

from data_contracts import quarantine, tables
from data_contracts.workspace import Workspace
from serving.schemas import format_instant
from serving.stored_telemetry import LatestTelemetry

# The contracts allow for clocks that differ by so much; a reading from further ahead has no time that can be believed.
_CLOCKS_DIFFER = pd.Timedelta(hours=1)
_INSTANT = pd.Timedelta(microseconds=1)


@dataclass(frozen=True)
class _Refused:
    """What is in quarantine, by asset, as of a version of the quarantine and one of the telemetry."""

    versions: tuple[int | None, int | None]
    rows: pd.DataFrame
    known: Mapping[Hashable, pd.Timestamp]
    now: Mapping[str, str]


class BrokenContracts:
    """Know of which assets the latest telemetry broke its contract.

    Quarantine is read once a version of it and of the telemetry.

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
        self._held = _Refused((None, None), _no_rows(), {}, {})

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
        chosen = {asset: as_of for asset, as_of in cut_offs.items() if asset in held.known}
        if not chosen:
            return {}
        heard = self._latest.known_times()
        past: dict[pd.Timestamp, list[str]] = {}
        reasons = {}
        for asset, as_of in chosen.items():
            if as_of < held.known[asset] or (asset in heard and as_of < heard[asset]):
                past.setdefault(as_of, []).append(asset)
            elif asset in held.now:
                reasons[asset] = held.now[asset]
        for as_of, assets in past.items():
            rows = held.rows[held.rows["asset"].isin(assets) & (held.rows["known_time"] <= as_of)]
            reasons |= self._broken(rows, as_of)
        return reasons

    def _refused(self) -> _Refused:
        with self._lock:
            read = tables.latest_version
            versions = read(self._workspace, quarantine.TABLE), read(self._workspace, self._table)
            if versions != self._held.versions:
                rows = _no_rows()
                if versions[0] is not None:
                    rows = _read(quarantine.held_of(self._workspace, self._table))
                known = dict(rows.groupby("asset")["known_time"].max().items())
                self._held = _Refused(versions, rows, known, self._broken(rows, None))
            return self._held

    def _broken(self, rows: pd.DataFrame, as_of: pd.Timestamp | None) -> dict[str, str]:
        """Compare refused rows with the good ones known at a cut-off; at any time if it is None."""
        if rows.empty:
            return {}
        newest = rows.groupby("asset")["event_time"].max()
        good, _ = tables.last_heard(
            self._workspace,
            self._table,
            as_of=as_of,
            assets=newest.index.tolist(),
            start=newest.min() - _INSTANT,
            column="event_time",
        )
        broken = rows[[time > good.get(asset, pd.Timestamp.min.tz_localize("UTC")) for asset, time in _keys(rows)]]
        return {str(asset): _reason(group) for asset, group in broken.groupby("asset")}


def _read(held: pd.DataFrame) -> pd.DataFrame:
    """Read assets and event times from refused rows; those that name no asset, or no time, are nobody's."""
    texts = [json.loads(text) for text in held["row"]]
    refused_at = held["known_time"]
    rows = held.assign(event_time=refused_at.where(held["whole_batch"]))
    rows["asset"] = pd.Series([_text(row.get("asset")) for row in texts], index=held.index, dtype=object)
    for name in ("known_time", "event_time"):
        told = pd.Series([_text(row.get(name)) for row in texts], index=held.index, dtype=object)
        times = pd.to_datetime(told, utc=True, errors="coerce", format="ISO8601").dt.as_unit("us")
        rows["event_time"] = times.where(times <= refused_at + _CLOCKS_DIFFER, rows["event_time"])
    named = rows.dropna(subset=["asset", "event_time"])
    return named.sort_values(["event_time", "entry"], ignore_index=True)


def _reason(rows: pd.DataFrame) -> str:
    last = rows.iloc[-1]
    others = f"; so did {len(rows) - 1} before it" if len(rows) > 1 else ""
    broken = "; ".join(last["reasons"])
    return f"the latest reading, of {format_instant(last['event_time'])}, broke its contract ({broken}){others}"


def _keys(rows: pd.DataFrame) -> "zip[tuple[str, pd.Timestamp]]":
    return zip(rows["asset"], rows["event_time"], strict=True)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _no_rows() -> pd.DataFrame:
    time = pd.Series(dtype="datetime64[us, UTC]")
    return pd.DataFrame({"asset": pd.Series(dtype="str"), "event_time": time, "known_time": time})
