"""The telemetry of a history that is read by blocks of assets, from one version of its table."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from data_contracts.contract.contract_types import STORED_VERSION
from data_contracts.overrides.accepted import overridden, overridden_assets
from data_contracts.tables import tables
from data_contracts.tables.arrow_frames import sortable, to_pandas
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.blocks.block_file import BlockFile, HandedRows
from data_contracts.tables.row_conditions import MOST_LISTED, quoted, where
from data_contracts.tables.table_access import StoredRows, open_stored, query, storage, stream
from data_contracts.tables.telemetry import KEY
from data_contracts.workspace import Workspace

BLOCK_ROWS: Final = 500_000
"""How many rows a block has, unless it is one asset with more: some 300 MB with two channels, while it is computed."""
BLOCK_VALUES: Final = 6_000_000
"""How many values a block of many columns has, which has fewer rows then."""
# So many rows at a time go to their blocks; more where there are many blocks, for each to get some.
_SCANNED_ROWS: Final = 262_144
_MOST_SCANNED_ROWS: Final = 2_097_152
_MOST_SCANNED_VALUES: Final = 16_000_000
_ROWS_A_BLOCK: Final = 2_048
# Parts that other processes compute rarely begin where a block does: each is handed over in so many pieces.
_PIECES: Final = 4
IntArray = npt.NDArray[np.int64]
Mark = Callable[[pd.DataFrame], "pd.Series[bool]"]
Result = TypeVar("Result")


@dataclass(frozen=True)
class TelemetryQuery:
    """Which rows of a telemetry table count: all that a process needs to read those of some assets."""

    workspace: Workspace
    table: str
    version: int
    as_of: pd.Timestamp | None = None  # rows that became known later are left out
    start: pd.Timestamp | None = None  # rows up to this event time are left out
    overrides: bool = True  # whether those of twins are added
    # The columns to read of channels and qualities; of all channels, and of no quality, if None.
    channels: tuple[str, ...] | None = None

    def selected(self, stored: StoredRows) -> str:
        """Return the columns to read, as SQL has them."""
        if self.channels is None:
            return tables.values_of(stored)
        read = {*KEY, "known_time", STORED_VERSION, *self.channels}
        return ", ".join(quoted(name) for name in stored.columns if name in read)

    def read(self, assets: Sequence[str]) -> pd.DataFrame:
        """Read the telemetry of some assets from the table, with their overrides."""
        if self.channels is not None:
            return self.with_overrides(self._read_channels(assets), assets)
        frame, _ = tables.read_versioned(
            self.workspace, self.table, as_of=self.as_of, version=self.version, assets=assets, start=self.start
        )
        return self.with_overrides(frame, assets)

    def _read_channels(self, assets: Sequence[str]) -> pd.DataFrame:
        with storage(self.workspace, self.table):
            stored = _open(self)
            condition = where(self.as_of, assets, self.start, None)
            return to_pandas(query(stored.delta, f"SELECT {self.selected(stored)} FROM {stored.among}{condition}"))  # noqa: S608

    def with_overrides(self, rows: pd.DataFrame, assets: Sequence[str]) -> pd.DataFrame:
        """Add the overrides of some assets to their telemetry."""
        return overridden(self.workspace, rows, assets=assets, as_of=self.as_of) if self.overrides else rows


@dataclass(frozen=True, eq=False)
class _Blocks:
    """The blocks of a query, shared by whatever is derived from the telemetry."""

    query: TelemetryQuery
    assets: tuple[str, ...]  # sorted, those with telemetry
    catalogue: pd.DataFrame  # of each of them the rows in the table, first and last event time, last known time
    block_rows: int
    begins: IntArray  # (n_blocks,), the number of each block's first asset
    pieces: int = 1  # into how many a block is divided, for other processes; 1 where none of them reads it
    handed: HandedRows | None = None  # where its rows are, as another process has read the table; or it does itself
    # By what is left of the telemetry and a time, each asset's last event known by then: asked for several times.
    last_events: dict[object, pd.DataFrame] = field(default_factory=dict)

    def names(self, block: int) -> tuple[str, ...]:
        """Return the assets of a block."""
        return self.assets[self.begins[block] : self._end(block)]

    def _end(self, block: int) -> int:
        return int(self.begins[block + 1]) if block + 1 < len(self.begins) else len(self.assets)

    def read(self, block: int) -> pd.DataFrame:
        """Return the telemetry of a block with its overrides, in the order of the whole."""
        return self._only if len(self.begins) == 1 else self._read(block)

    def detached(self, assets: Sequence[str]) -> "_Blocks":
        """Return the blocks of some assets for another process, with where their rows are."""
        catalogue = self.catalogue[self.catalogue["asset"].isin(list(assets))].reset_index(drop=True)
        begins = _begins(catalogue["rows"].tolist(), self.block_rows)
        part = _Blocks(self.query, tuple(assets), catalogue, self.block_rows, begins)
        pieces = [self.piece_of.loc[list(part.names(block))].unique().tolist() for block in range(len(part.begins))]
        if self.pieces == 1:
            return part
        with storage(self.query.workspace, self.query.table):
            return replace(part, handed=self._file.hand_over(pieces))

    def _read(self, block: int) -> pd.DataFrame:
        names = self.names(block)
        with storage(self.query.workspace, self.query.table):
            rows = to_pandas(self._rows(block))
        return self.query.with_overrides(rows, names)

    def _rows(self, block: int) -> pa.Table:
        if self.handed is not None:
            rows = self.handed.read(block)
            names = pa.array(self.names(block), rows.schema.field("asset").type)
            return rows.filter(pc.is_in(rows["asset"], names))
        first, after = np.searchsorted(self._piece_begins, [self.begins[block], self._end(block)])
        return pa.concat_tables([self._file.read(piece) for piece in range(first, after)])

    @cached_property
    def block_of(self) -> "pd.Series[int]":
        """The block of each asset."""
        return self._numbers(self.begins)

    @cached_property
    def piece_of(self) -> "pd.Series[int]":
        """The piece of each asset: what is handed over together."""
        return self._numbers(self._piece_begins)

    def _numbers(self, begins: IntArray) -> "pd.Series[int]":
        numbers = np.searchsorted(begins, np.arange(len(self.assets)), side="right") - 1
        return pd.Series(numbers, index=pd.Index(self.assets, dtype="str"), dtype="int64")

    @cached_property
    def _piece_begins(self) -> IntArray:
        """The number of each piece's first asset, (n_pieces,); a block begins with a piece."""
        counts, ends = self.catalogue["rows"].tolist(), [*self.begins[1:], len(self.assets)]
        pairs = zip(self.begins.tolist(), ends, strict=True) if len(self.begins) else ()
        most = -(-self.block_rows // self.pieces)
        found = [begin + _begins(counts[begin:end], most) for begin, end in pairs]
        return np.concatenate(found) if found else self.begins

    @cached_property
    def totals(self) -> tuple[int, pd.Timestamp | None]:
        """How many rows there are, those of overrides too, and when the last became known."""
        with_overrides = (
            overridden_assets(self.query.workspace, as_of=self.query.as_of) if self.query.overrides else frozenset()
        )
        changed = np.array([asset in with_overrides for asset in self.assets], dtype=np.bool_)
        rows = self.query.read([asset for asset in self.assets if asset in with_overrides]) if changed.any() else None
        others = self.catalogue[~changed]
        latest = [*others["last_known"], *(() if rows is None else rows["known_time"])]
        counted = int(others["rows"].sum()) + (0 if rows is None else len(rows))
        return counted, max(map(pd.Timestamp, latest), default=None)

    @cached_property
    def _only(self) -> pd.DataFrame:
        """The telemetry of the only block, which is kept: it is small, and asked for several times."""
        return self._read(0) if self.handed is not None else self.query.read(self.assets)

    @cached_property
    def _file(self) -> BlockFile:
        """The table's rows by block, read at once."""
        stored = _open(self.query)
        listed = self.assets if len(self.assets) <= MOST_LISTED else None
        condition = where(self.query.as_of, listed, self.query.start, None)
        batches = stream(stored.delta, f"SELECT {self.query.selected(stored)} FROM {stored.among}{condition}")  # noqa: S608
        schema = pa.schema([field.with_type(sortable(field.type)) for field in batches.schema])
        n_pieces = len(self._piece_begins)
        file = BlockFile(self.query.workspace.root, schema, n_pieces, shared=self.pieces > 1)
        most = min(_MOST_SCANNED_ROWS, _MOST_SCANNED_VALUES // len(schema))
        portion = min(max(_SCANNED_ROWS, _ROWS_A_BLOCK * n_pieces), most)
        for rows in _in_portions(batches, schema, portion):
            file.append(rows, self._pieces_of(rows))
        file.flush()
        return file

    def _pieces_of(self, rows: pa.Table) -> IntArray:
        """Return the piece of each row; -1 for an asset that was not chosen."""
        encoded = pc.dictionary_encode(rows["asset"].combine_chunks())
        pieces = self.piece_of.reindex(encoded.dictionary.to_pylist()).fillna(-1).to_numpy(dtype=np.int64)
        result: IntArray = np.append(pieces, -1)[encoded.indices.fill_null(len(pieces)).to_numpy()]
        return result


@dataclass(frozen=True, eq=False)
class StoredTelemetry:
    """Telemetry in a table, read by blocks of assets in the order of their names; it stands where a frame would.

    It has none of a frame's columns: what asks for them has to ask for blocks.
    """

    shared: _Blocks
    columns: tuple[str, ...]
    known_until: pd.Timestamp | None = None  # rows that became known later are left out
    chosen: frozenset[str] | None = None  # only the rows of these assets; all if None
    marks: tuple[Mark, ...] = ()  # which rows of a block count, by all of its rows
    engine: BlockEngine | None = None  # what computes features of it; this process if None

    @classmethod
    def open(
        cls,
        query: TelemetryQuery,
        columns: Sequence[str],
        *,
        assets: Collection[str] | None,
        block_rows: int | None = None,
        engine: BlockEngine | None = None,
    ) -> "StoredTelemetry":
        """Open the telemetry that a query finds, of some assets or of all; in blocks of `BLOCK_ROWS` rows if None.

        Of many columns the blocks have fewer rows then, see `BLOCK_VALUES`.
        """
        found = _catalogue(query, assets)
        if block_rows is None:
            block_rows = min(BLOCK_ROWS, max(BLOCK_VALUES // len(columns), 1))
        begins = _begins(found["rows"].tolist(), block_rows)
        pieces = 1 if engine is None else _PIECES
        blocks = _Blocks(query, tuple(found["asset"]), found, block_rows, begins, pieces)
        return cls(blocks, tuple(columns), engine=engine)

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets with telemetry, sorted, whenever it became known."""
        return tuple(name for name in self.shared.assets if self.chosen is None or name in self.chosen)

    @property
    def last_known(self) -> pd.Timestamp | None:
        """When the last of the rows became known; None without any."""
        return self._totals[1]

    def __len__(self) -> int:
        """Count the rows, those of overrides too."""
        return self._totals[0]

    def nothing(self) -> pd.DataFrame:
        """Return a frame of it without rows."""
        return self.shared.query.read(())

    def blocks(self) -> Iterator[pd.DataFrame]:
        """Yield the telemetry block by block; at least one, if need be without rows."""
        for number in range(len(self.shared.begins)) or (0,):
            yield self.read(number)

    def read(self, block: int) -> pd.DataFrame:
        """Return the telemetry of a block."""
        if not self.shared.assets or (self.chosen is not None and self.chosen.isdisjoint(self.shared.names(block))):
            return self.nothing()
        rows = self.shared.read(block)
        for mark in self.marks:
            rows = rows[mark(rows)].reset_index(drop=True)
        if self.chosen is not None and not self.chosen.issuperset(self.shared.names(block)):
            rows = rows[rows["asset"].isin(list(self.chosen))]
        if self.known_until is not None:
            rows = rows[rows["known_time"] <= self.known_until]
        return rows.reset_index(drop=True)

    def block_of(self, assets: "pd.Series[str]") -> IntArray:
        """Return the number of each asset's block, (n,); 0 for an asset without telemetry."""
        numbers = self.shared.block_of.reindex(assets.to_numpy(dtype=object)).fillna(0)
        return np.asarray(numbers, dtype=np.int64)

    def computed(self, compute: Callable[[pd.DataFrame], Result]) -> Iterator[Result]:
        """Yield what is computed from each block, in their order: by the engine, or else in this process."""
        if self.engine is None:
            return map(compute, self.blocks())
        numbers = range(len(self.shared.begins)) or (0,)
        parts = (self.detached(self.shared.names(number) if self.shared.assets else ()) for number in numbers)
        return self.engine.map(partial(_of_one_block, compute), parts)

    def as_of(self, time: pd.Timestamp) -> "StoredTelemetry":
        """Return what of it was known at a time."""
        if self.known_until is not None and self.known_until <= time:
            return self
        last = self.shared.totals[1]
        return self if last is None or last <= time else replace(self, known_until=time)

    def among(self, assets: Collection[str]) -> "StoredTelemetry":
        """Return the telemetry of some assets."""
        chosen = frozenset(assets) if self.chosen is None else self.chosen.intersection(assets)
        return self if chosen.issuperset(self.assets) else replace(self, chosen=chosen)

    def detached(self, assets: Collection[str]) -> "StoredTelemetry":
        """Return the telemetry of some assets for another process, which reads it itself."""
        names = sorted(set(assets).intersection(self.assets))
        return replace(self, shared=self.shared.detached(names), chosen=None, engine=None)

    def where(self, mark: Mark) -> "StoredTelemetry":
        """Return the rows of it that are marked, of any known time; which are, depends on the rows of their asset."""
        return replace(self, marks=(*self.marks, mark))

    @property
    def event_span(self) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """The first and the last event time in the table, of rows known later and of other assets too."""
        spans = self.shared.catalogue
        return None if spans.empty else (pd.Timestamp(spans["first"].min()), pd.Timestamp(spans["last"].max()))

    def after(self, start: pd.Timestamp) -> "StoredTelemetry":
        """Return the telemetry of the same assets with an event time after a time, read anew from the table."""
        later = replace(self.shared.query, start=start)
        block_rows, engine = self.shared.block_rows, self.engine
        opened = self.open(later, self.columns, assets=self.assets, block_rows=block_rows, engine=engine)
        opened = replace(opened, marks=self.marks)
        return opened if self.known_until is None else opened.as_of(self.known_until)

    def last_events(self, now: pd.Timestamp) -> pd.DataFrame:
        """Return asset and event_time of each asset's last row known at a time, and not later than it."""
        if self.marks:
            return self._last_events(now)
        key = (self.known_until, self.chosen, now)
        if key not in self.shared.last_events:
            self.shared.last_events[key] = self._last_events(now)
        return self.shared.last_events[key]

    def _last_events(self, now: pd.Timestamp) -> pd.DataFrame:
        found = []
        for rows in self.blocks():
            known = rows.loc[(rows["known_time"] <= now) & (rows["event_time"] <= now), ["asset", "event_time"]]
            found.append(known.groupby("asset")["event_time"].max().reset_index())
        return pd.concat(found, ignore_index=True)

    @cached_property
    def _totals(self) -> tuple[int, pd.Timestamp | None]:
        if self.known_until is None and self.chosen is None and not self.marks:
            return self.shared.totals
        counted, latest = 0, list[pd.Timestamp]()
        for rows in self.blocks():
            counted += len(rows)
            latest += [pd.Timestamp(rows["known_time"].max())] if len(rows) else []
        return counted, max(latest, default=None)


def _of_one_block(compute: Callable[[pd.DataFrame], Result], telemetry: StoredTelemetry) -> Result:
    return compute(next(telemetry.blocks()))


def _open(telemetry: TelemetryQuery) -> StoredRows:
    stored = open_stored(telemetry.workspace, telemetry.table, telemetry.version)
    if stored is None:
        raise DeltaError(f"the table is gone, and its version {telemetry.version} with it")
    return stored


def _catalogue(telemetry: TelemetryQuery, assets: Collection[str] | None) -> pd.DataFrame:
    """Return asset, rows, first, last and last_known of the assets with telemetry, sorted by asset."""
    names = None if assets is None else sorted(assets)
    condition = where(telemetry.as_of, names, telemetry.start, None)
    with storage(telemetry.workspace, telemetry.table):
        stored = _open(telemetry)
        spans = "min(event_time) AS first, max(event_time) AS last, max(known_time) AS last_known"
        counts = f"SELECT asset, count(*) AS rows, {spans}"
        found = to_pandas(query(stored.delta, f"{counts} FROM {stored.among}{condition} GROUP BY asset"))
    return found[found["asset"].notna()].reset_index(drop=True)


def _begins(counts: Sequence[int], block_rows: int) -> IntArray:
    """Return where each block begins, each with as many assets as fit."""
    begins, filled = list[int](), 0
    for number, rows in enumerate(counts):
        if not begins or filled + rows > block_rows:
            begins.append(number)
            filled = 0
        filled += rows
    return np.array(begins, dtype=np.int64)


def _in_portions(batches: pa.RecordBatchReader, schema: pa.Schema, portion: int) -> Iterator[pa.Table]:
    """Yield the rows of small batches so many at a time."""
    waiting, rows = list[pa.RecordBatch](), 0
    for batch in batches:
        waiting.append(batch)
        rows += len(batch)
        if rows >= portion:
            yield pa.Table.from_batches(waiting, batches.schema).cast(schema)
            waiting, rows = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting, batches.schema).cast(schema)
