"""The history of the assets of one type: everything known about them, now or as of an earlier time."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.contract.registered import empty_table, find_telemetry_contract, recorded_type
from data_contracts.errors import NotFoundError, did_you_mean
from data_contracts.overrides.accepted import overridden
from data_contracts.tables import tables
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.blocks.stored_telemetry import StoredTelemetry, TelemetryQuery
from data_contracts.tables.corrections import latest_records
from data_contracts.tables.files.verification import refuse_damaged
from data_contracts.tables.table_access import open_stored, storage
from data_contracts.tables.telemetry import channels_among
from data_contracts.workspace import Workspace

FRAMES = ("telemetry", "assets", "failures", "work_orders", "events")  # the frames of a history


@dataclass(frozen=True)
class History:
    """Everything known about the assets of one type.

    Parameters
    ----------
    asset_type
        The asset type.
    channels
        The telemetry channels, in order.
    telemetry
        Telemetry, not reconciled, with the overrides of twins as rows: asset, event_time, known_time, source and the
        channels. As in the other frames, a
        column stored_version has the table version that stored each row; rows that were never stored go without.
        Of a history that `open_history` opened it has not been read: `blocks` and `blocks_at` do.
    assets, failures, work_orders, events
        The rows of the tables of those names.
    versions
        The versions of the tables it was read from.
    contract
        The contract of the telemetry: the workspace's, or else the shipped one; None without either.
    crossings
        What counts as failures in place of those booked, with their columns, where a model is judged that predicts when
        a measured condition crosses a threshold; None for other models.
    """

    asset_type: str
    channels: tuple[str, ...]
    telemetry: pd.DataFrame
    assets: pd.DataFrame
    failures: pd.DataFrame
    work_orders: pd.DataFrame
    events: pd.DataFrame
    versions: Mapping[str, int] = field(default_factory=dict)
    contract: Contract | None = None
    crossings: pd.DataFrame | None = None

    @property
    def predicted_failures(self) -> pd.DataFrame:
        """Return what a model is judged by: the crossings of its condition, or the failures that were booked."""
        return self.failures if self.crossings is None else self.crossings

    @property
    def stored(self) -> StoredTelemetry | None:
        """Return the telemetry that has not been read; None where it is a frame."""
        telemetry: object = self.telemetry
        return telemetry if isinstance(telemetry, StoredTelemetry) else None

    @property
    def telemetry_assets(self) -> tuple[str, ...]:
        """Return the assets with telemetry, sorted."""
        if (stored := self.stored) is not None:
            return stored.assets
        return tuple(sorted(self.telemetry["asset"].unique()))

    @property
    def last_known(self) -> pd.Timestamp | None:
        """Return when the last of the telemetry became known; None without any."""
        if (stored := self.stored) is not None:
            return stored.last_known
        return None if self.telemetry.empty else pd.Timestamp(self.telemetry["known_time"].max())

    def blocks(self) -> Iterator["History"]:
        """Yield the history with the telemetry of some assets at a time, in order of their names; at least once.

        A history whose telemetry has been read is one block.
        """
        if (stored := self.stored) is None:
            yield self
            return
        for rows in stored.blocks():
            yield replace(self, telemetry=rows)

    def blocks_at(self, cut_offs: pd.DataFrame) -> Iterator[tuple[npt.NDArray[np.int64], "History"]]:
        """Yield the places of cut-offs (asset, as_of), each once, with the block that has their assets; at least once.

        A block may have other assets too.
        """
        if (stored := self.stored) is None:
            yield np.arange(len(cut_offs)), self
            return
        block = stored.block_of(cut_offs["asset"])
        if not len(block):
            yield np.arange(0), replace(self, telemetry=stored.read(0))
        order = np.argsort(block, kind="stable")
        for places in np.split(order, np.flatnonzero(np.diff(block[order])) + 1) if len(block) else ():
            yield places, replace(self, telemetry=stored.read(int(block[places[0]])))

    def at_cut_offs(
        self, cut_offs: pd.DataFrame, compute: "Callable[[History, pd.DataFrame], npt.NDArray[np.generic]]"
    ) -> "npt.NDArray[np.generic]":
        """Compute an array with a row for each cut-off, block by block; each row depends on its asset alone."""
        if self.stored is None:
            return compute(self, cut_offs)
        found = [(places, compute(block, cut_offs.iloc[places])) for places, block in self.blocks_at(cut_offs)]
        order = np.argsort(np.concatenate([places for places, _ in found]), kind="stable")
        whole: npt.NDArray[np.generic] = np.concatenate([values for _, values in found])[order]
        return whole

    def where(self, mark: "Callable[[pd.DataFrame], pd.Series[bool]]") -> "History":
        """Return the history with the rows of telemetry that are marked by the rows of their asset."""
        if (stored := self.stored) is not None:
            return replace(self, telemetry=_in_place_of_frame(stored.where(mark)))
        return replace(self, telemetry=self.telemetry[mark(self.telemetry)].reset_index(drop=True))

    def without_telemetry(self) -> "History":
        """Return the history with a frame of telemetry that has no rows."""
        return replace(self, telemetry=self.telemetry.iloc[:0] if self.stored is None else self.stored.nothing())

    def after(self, start: pd.Timestamp) -> "History":
        """Return the history without the telemetry of event times up to `start`."""
        if (stored := self.stored) is not None:
            return replace(self, telemetry=_in_place_of_frame(stored.after(start)))
        later = self.telemetry["event_time"] > start
        return replace(self, telemetry=self.telemetry[later].reset_index(drop=True))

    def as_of(self, time: pd.Timestamp) -> "History":
        """Return the history as it was known at a time: the rows whose known time is not later."""
        return self._with_rows(lambda frame: frame["known_time"] <= time, lambda stored: stored.as_of(time))

    def among(self, assets: Iterable[str]) -> "History":
        """Return the history of some assets."""
        names = set(assets)
        return self._with_rows(lambda frame: frame["asset"].isin(names), lambda stored: stored.among(names))

    def _with_rows(
        self,
        mark: "Callable[[pd.DataFrame], pd.Series[bool]]",
        reduce: Callable[[StoredTelemetry], StoredTelemetry],
    ) -> "History":
        frames = {name: getattr(self, name) for name in FRAMES if name != "telemetry" or self.stored is None}
        if self.crossings is not None:
            frames["crossings"] = self.crossings
        kept = {name: frame[mark(frame)].reset_index(drop=True) for name, frame in frames.items()}
        if (stored := self.stored) is not None:
            kept["telemetry"] = _in_place_of_frame(reduce(stored))
        return replace(self, **kept)


def read_history(
    workspace: Workspace,
    asset_type: str,
    *,
    plant: str | None = None,
    assets: Sequence[str] | None = None,
    as_of: pd.Timestamp | None = None,
    versions: Mapping[str, int] | None = None,
    start: pd.Timestamp | None = None,
    checked: bool = False,
) -> History:
    """Read everything known about the assets of one type.

    Parameters
    ----------
    workspace
        Where the tables are.
    asset_type
        The asset type.
    plant
        Only the assets whose latest record places them in this plant.
    assets
        Only these assets.
    as_of
        Leave out rows that became known later.
    versions
        The versions of the tables to read, where a table that is missing counts as empty; the latest if None.
    start
        Leave out telemetry with an event time up to this one.
    checked
        Compare the files that are read with their checksums first, as where a model learns of them.

    Returns
    -------
    History
        What is known about them.

    Raises
    ------
    NotFoundError
        If one of `assets` is unknown, or `plant` has no assets of the type.
    StorageError
        If a table is corrupt, or a file that was to be checked is damaged.
    """
    tables_read = _Tables(workspace, as_of, versions, checked=checked)

    def telemetry(chosen: Sequence[str] | None) -> pd.DataFrame:
        rows = tables_read.read(f"telemetry/{asset_type}", chosen, start)
        return overridden(workspace, rows, assets=chosen, as_of=as_of)

    return _history(tables_read, asset_type, telemetry, plant=plant, assets=assets, start=start)


def open_history(
    workspace: Workspace,
    asset_type: str,
    *,
    plant: str | None = None,
    as_of: pd.Timestamp | None = None,
    versions: Mapping[str, int] | None = None,
    start: pd.Timestamp | None = None,
    block_rows: int | None = None,
    engine: BlockEngine | None = None,
    checked: bool = False,
) -> History:
    """Read what is known about the assets of one type, and of their telemetry only where it is.

    Memory then holds one block of assets at a time, see `History.blocks`.

    Parameters
    ----------
    workspace, asset_type, plant, as_of, versions, start, checked
        As for `read_history`.
    block_rows
        How many rows of telemetry to read at a time, half a million if None; an asset with more is a block of its own.
    engine
        What computes features from the telemetry in other processes; this process if None.

    Returns
    -------
    History
        As of `read_history`, with `History.stored` in place of a frame of telemetry.

    Raises
    ------
    NotFoundError
        If `plant` has no assets of the type.
    StorageError
        If a table is corrupt, or a file that was to be checked is damaged.
    """
    tables_read = _Tables(workspace, as_of, versions, checked=checked)

    def telemetry(chosen: Sequence[str] | None) -> pd.DataFrame:
        table = f"telemetry/{asset_type}"
        none = tables_read.read(table, (), start)
        if table not in tables_read.versions:
            return none
        rows = TelemetryQuery(workspace, table, tables_read.versions[table], as_of, start)
        opened = StoredTelemetry.open(rows, tuple(none.columns), assets=chosen, block_rows=block_rows, engine=engine)
        return _in_place_of_frame(opened)

    return _history(tables_read, asset_type, telemetry, plant=plant, assets=None, start=start)


def _in_place_of_frame(stored: StoredTelemetry) -> pd.DataFrame:
    # By its type a frame, so that what takes a history need not know; it has nothing of one, so that what does not ask
    # for blocks fails at once.
    return cast(pd.DataFrame, stored)


@dataclass(frozen=True)
class _Tables:
    """The tables of a history, and the versions of them that were read."""

    workspace: Workspace
    as_of: pd.Timestamp | None
    asked: Mapping[str, int] | None
    versions: dict[str, int] = field(default_factory=dict)
    checked: bool = False  # whether files are compared with their checksums

    def read(self, table: str, assets: Sequence[str] | None, start: pd.Timestamp | None = None) -> pd.DataFrame:
        """Read the rows of some assets, or of all."""
        if self.asked is not None and table not in self.asked:
            return empty_table(self.workspace.contracts, table)
        pinned = self._version(table)
        if self.checked and table not in self.versions:
            pinned = _refuse_damaged(self.workspace, table, pinned, start)
        frame, version = tables.read_versioned(
            self.workspace, table, as_of=self.as_of, version=pinned, assets=assets, start=start
        )
        if version is not None:
            self.versions[table] = version
        return frame

    def assets_with_rows(self, table: str, assets: Sequence[str] | None) -> set[str]:
        """Return which assets have rows at any time."""
        if self.asked is not None and table not in self.asked:
            return set()
        version = self._version(table)
        return set(tables.asset_watermarks(self.workspace, table, as_of=self.as_of, version=version, assets=assets)[0])

    def _version(self, table: str) -> int | None:
        return None if self.asked is None else self.asked[table]


def _refuse_damaged(workspace: Workspace, table: str, version: int | None, start: pd.Timestamp | None) -> int | None:
    """Return the version that was checked; a `StorageError` if a file of it is damaged that a read would open."""
    with storage(workspace, table):
        stored = open_stored(workspace, table, version)
        if stored is None:
            return version
        refuse_damaged(stored.delta, table, start=start)
        return stored.version


def _history(
    tables_read: _Tables,
    asset_type: str,
    read_telemetry: Callable[[Sequence[str] | None], pd.DataFrame],
    *,
    plant: str | None,
    assets: Sequence[str] | None,
    start: pd.Timestamp | None,
) -> History:
    contracts = tables_read.workspace.contracts
    recorded = recorded_type(contracts, asset_type)
    registered = _latest_matching(tables_read.read("assets", assets), recorded, plant)
    # An asset may have telemetry before it has a record, but only records place it in a plant.
    chosen = sorted(set(registered["asset"])) if plant is not None else assets
    telemetry = read_telemetry(chosen)
    measured: object = telemetry
    with_telemetry = measured.assets if isinstance(measured, StoredTelemetry) else telemetry["asset"]
    known = set(registered["asset"]) | set(with_telemetry)
    if start is not None and plant is None and (assets is None or not known.issuperset(assets)):
        # An asset without a record is known by its telemetry alone, even if all of that is before `start`: its failures
        # count nevertheless.
        known |= tables_read.assets_with_rows(f"telemetry/{asset_type}", assets)
    for asset in assets or ():
        if asset not in known:
            raise _unknown_asset(asset, recorded, plant, tables_read.read("assets", None)["asset"])
    if plant is not None and not known:
        raise _unknown_plant(plant, recorded, tables_read.read("assets", None))
    names = sorted(known)
    return History(
        asset_type=asset_type,
        channels=channels_among(telemetry.columns),
        telemetry=telemetry,
        assets=registered,
        failures=tables_read.read("failures", names),
        work_orders=tables_read.read("work_orders", names),
        events=tables_read.read("events", names),
        versions=dict(sorted(tables_read.versions.items())),
        contract=find_telemetry_contract(contracts, asset_type),
    )


def _latest_matching(assets: pd.DataFrame, asset_type: str, plant: str | None) -> pd.DataFrame:
    """Keep all records of those assets whose latest record is of the type and plant."""
    latest = latest_records(assets)
    matching = latest["asset_type"] == asset_type
    if plant is not None:
        matching &= latest["plant"] == plant
    return assets[assets["asset"].isin(latest.loc[matching, "asset"])].reset_index(drop=True)


def _unknown_asset(asset: str, asset_type: str, plant: str | None, known: Iterable[str]) -> NotFoundError:
    where = f"{asset_type} of plant {plant!r}" if plant is not None else asset_type
    hint = did_you_mean(asset, sorted(set(known))) or "List the known assets, or ingest this one's data first"
    return NotFoundError(f"unknown asset {asset!r}", f"a {where} with a record or telemetry known by then", hint)


def _unknown_plant(plant: str, asset_type: str, assets: pd.DataFrame) -> NotFoundError:
    plants = sorted(assets.loc[assets["asset_type"] == asset_type, "plant"].dropna().unique())
    if not plants:
        remedy = "Add them with `forewarn import`, `simulate` or `ingest`"
        return NotFoundError(f"no {asset_type} in plant {plant!r}, nor in any other", "assets of that type", remedy)
    hint = did_you_mean(plant, plants) or "Ingest its assets first"
    return NotFoundError(f"no {asset_type} in plant {plant!r}", f"one of {', '.join(plants)}", hint)
