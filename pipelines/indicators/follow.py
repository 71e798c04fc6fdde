"""Follows a telemetry table: what arrived in it since the last time becomes indicators, once.

The table of the indicators keeps the version of the telemetry that has been read, so that whoever goes on, in this
process or another, after a kill or beside somebody else, stores every version of a window once.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables import tables
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.table_access import DELETED_UNTIL
from data_contracts.workspace import Workspace
from features.indicators.plan import Indicators
from features.telemetry.sorted_times import width
from pipelines.indicators.arrivals import arrivals, known_before, settled_until
from pipelines.indicators.block_rows import block_task, rows_of
from pipelines.indicators.due_windows import Block, blocks, due_windows

if TYPE_CHECKING:
    from rich.console import RenderableType

_INSTANT = pd.Timedelta(1, "us")
MOST_ROWS = 4_000_000
"""About how many rows of telemetry are read at once."""


@dataclass(frozen=True)
class IndicatorResult:
    """What came of following a table."""

    name: str
    windows: int  # how many versions of windows were stored
    upto: int | None  # the version of the telemetry that has been read; None if there is none

    def to_dict(self) -> dict[str, object]:
        """Return JSON values."""
        return dict(vars(self))


@dataclass(frozen=True)
class Followed:
    """What came of following the tables of several indicators."""

    results: tuple[IndicatorResult, ...]

    def to_dict(self) -> dict[str, object]:
        """Return JSON values."""
        return {"indicators": [each.to_dict() for each in self.results]}

    def __rich__(self) -> "RenderableType":
        """Render as a table."""
        from pipelines.terminal.tables import column_table

        table = column_table("name", "stored", "up to version")
        for each in self.results:
            table.add_row(each.name, f"{each.windows:,}", "-" if each.upto is None else str(each.upto))
        return table


def follow_all(
    workspace: Workspace,
    chosen: tuple[Indicators, ...],
    *,
    engine: BlockEngine | None = None,
    progress: ProgressCallback = silent,
) -> Followed:
    """Bring indicators up to the telemetry that is stored; `engine` computes them, this process if None."""
    followers = [IndicatorFollower(workspace, each, engine=engine) for each in chosen]
    return Followed(tuple(follower.follow(progress=progress) for follower in followers))


@dataclass
class IndicatorFollower:
    """Keeps the indicators of one plan up with the telemetry."""

    workspace: Workspace
    indicators: Indicators
    most_rows: int = MOST_ROWS
    threads: int | None = None
    engine: BlockEngine | None = None  # what computes; this process if None
    # Up to which version, and what was known then: the latest event and known time of each asset.
    _seen: "tuple[int, pd.DataFrame] | None" = field(default=None, repr=False)

    def follow(self, *, progress: ProgressCallback = silent) -> IndicatorResult:
        """Compute and store what is due by now; `StorageError` if a table cannot be used."""
        total, due = 0, tables.latest_version(self.workspace, self._source)
        while True:
            since = tables.batch_mark(self.workspace, self.indicators.plan.table, self._consumer)
            latest = tables.latest_version(self.workspace, self._source)
            # What is stored meanwhile is left for the next time: a listener may store faster than this goes on.
            is_later = due is not None and since is not None and latest is not None and due <= since < latest
            if latest is None or latest == since or is_later:
                return IndicatorResult(self.indicators.plan.name, total, since)
            total += self._advance(-1 if since is None else since, latest, since, progress)

    @property
    def _source(self) -> str:
        return self.indicators.source.table

    @property
    def _consumer(self) -> str:
        return self.indicators.plan.consumer

    def _advance(self, after: int, latest: int, mark: int | None, progress: ProgressCallback) -> int:
        """Store what the versions after one made, up to the latest or to where somebody began."""
        started = tables.batch_mark(self.workspace, self.indicators.plan.table, self._target)
        upto = started if started is not None and started > after else latest
        new = arrivals(self.workspace, self._source, after=after, upto=upto, step=self.indicators.plan.step)
        before = self._known(after)
        due = due_windows(self.indicators.plan, new, before, self._unsettled(new, before, after))
        due = self._computable(due, before, after)
        parts = blocks(self.indicators.plan, due, new, self.most_rows)
        stored = 0
        if len(parts) > 1 or upto == started:
            stored = self._store_in_parts(parts, after, upto, before, started, progress)
            frame = self._frame((), upto, before)
        else:
            frame = self._frame(parts, upto, before)
        table = self.indicators.plan.table
        if not tables.append_consumed(self.workspace, table, frame, self._consumer, since=mark, upto=upto):
            self._seen = None
            return stored
        self._seen = (upto, _later(before, new))
        return stored + len(frame)

    def _computable(self, due: pd.DataFrame, before: pd.DataFrame, after: int) -> pd.DataFrame:
        """Leave out windows of which rows were deleted; of an asset's last ones, incomplete till now, all are kept."""
        until = tables.batch_mark(self.workspace, self._source, DELETED_UNTIL)
        if until is None or due.empty:
            return due
        touched = due["end"] - width(self.indicators.plan.window) < until
        complete = before["last"].astype("datetime64[us, UTC]").astype("int64")
        was_complete = due["end"] <= due["asset"].map(complete) if after >= 0 else True
        return due[~(touched & was_complete)]

    def _unsettled(self, new: pd.DataFrame, before: pd.DataFrame, after: int) -> "pd.Series[pd.Timestamp]":
        """Say from when on windows may be complete earlier now, of assets whose new rows were known before others."""
        known = new.groupby("asset")["known"].min()
        late = known[known <= before["known"].reindex(known.index)]
        if late.empty:
            return late
        return settled_until(self.workspace, self._source, list(late.index), late.min() - _INSTANT, upto=after)

    @property
    def _target(self) -> str:
        return f"{self._consumer}, begun"

    def _store_in_parts(
        self,
        parts: tuple[Block, ...],
        after: int,
        upto: int,
        before: pd.DataFrame,
        started: int | None,
        progress: ProgressCallback,
    ) -> int:
        """Store parts too many for one commit, each once; whoever goes on after a kill makes the same parts."""
        table, stored = self.indicators.plan.table, 0
        if upto != started:
            empty = self._frame((), upto, before)
            tables.append_consumed(self.workspace, table, empty, self._target, since=started, upto=upto)
        for number, part in enumerate(parts):
            progress("windows", number, len(parts))
            name = f"{self._consumer}, from {after} to {upto}, {part.name}"
            if tables.has_batch(self.workspace, table, name):
                continue
            frame = self._frame((part,), upto, before)
            stored += len(frame) * tables.append(self.workspace, table, frame, name)
        progress("windows", len(parts), len(parts))
        return stored

    def _frame(self, parts: tuple[Block, ...], upto: int, before: pd.DataFrame) -> pd.DataFrame:
        tasks = [block_task(self.workspace, self.indicators, part, upto, before, self.threads) for part in parts]
        frames = [rows_of(task, self.engine) for task in tasks]
        return pd.concat(frames, ignore_index=True) if frames else self.indicators.contract.empty()

    def _known(self, after: int) -> pd.DataFrame:
        if self._seen is None or self._seen[0] != after:
            self._seen = (after, known_before(self.workspace, self._source, upto=after))
        return self._seen[1]


def _later(before: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return what is known of each asset after an arrival."""
    if new.empty:
        return before
    arrived = new.groupby("asset").agg(last=("last", "max"), known=("latest_known", "max"))
    both = pd.concat([before, arrived]).groupby(level=0)
    return both.max()
