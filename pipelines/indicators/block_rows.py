"""The rows of a block of windows, computed in this process or by an engine in others."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data_contracts.tables import tables
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.workspace import Workspace
from features.indicators.compute import compute
from features.indicators.plan import Indicators
from pipelines.indicators.arrivals import first_known_after
from pipelines.indicators.due_windows import Block

_INSTANT = pd.Timedelta(1, "us")


@dataclass(frozen=True)
class BlockTask:
    """A block, or the part of it of some assets, and all that another process needs to compute its rows."""

    workspace: Workspace
    indicators: Indicators
    block: Block
    start: pd.Timestamp  # of the telemetry that is read, and its end: those of the whole block
    end: pd.Timestamp
    upto: int  # the version of the telemetry
    known: pd.DataFrame  # of each asset of the block the latest event and known time before, if there is one
    later_known: Mapping[str, pd.Timestamp]
    threads: int | None

    def among(self, assets: list[str]) -> "BlockTask":
        """Return the part of some assets."""
        block = replace(
            self.block,
            ends={asset: self.block.ends[asset] for asset in assets},
            known={asset: time for asset, time in self.block.known.items() if asset in assets},
        )
        later = {asset: time for asset, time in self.later_known.items() if asset in assets}
        # A core each: as many parts run at a time as there are cores.
        return replace(self, block=block, known=self.known.loc[assets], later_known=later, threads=1)


def block_task(
    workspace: Workspace, indicators: Indicators, block: Block, upto: int, before: pd.DataFrame, threads: int | None
) -> BlockTask:
    """Describe a block of windows; `before` is what was known of each asset before the new rows."""
    known = before.reindex(sorted(block.ends))
    later = _later_known(workspace, indicators.source.table, block, upto, known)
    start, end = block.first - indicators.plan.window, block.last
    return BlockTask(workspace, indicators, block, start, end, upto, known, later, threads)


def rows_of(task: BlockTask, engine: BlockEngine | None) -> pd.DataFrame:
    """Compute the rows of a block, divided by assets among the workers of an engine if there is one: the same rows."""
    if engine is None:
        return compute_rows(task)
    assets = sorted(task.block.ends)
    parts = np.array_split(np.arange(len(assets)), min(engine.workers, len(assets)))
    tasks = (task.among([assets[place] for place in part]) for part in parts)
    return pd.concat(list(engine.map(compute_rows, tasks)), ignore_index=True)


def compute_rows(task: BlockTask) -> pd.DataFrame:
    """Read the telemetry of a task and compute its rows, by asset, window and known time."""
    source = task.indicators.source.table
    rows = tables.read(task.workspace, source, assets=sorted(task.block.ends), start=task.start, end=task.end)
    return compute(
        task.indicators,
        rows[rows["stored_version"].fillna(0) <= task.upto],
        task.block.ends,
        later_known=task.later_known,
        since=task.block.known,
        stored=_stored(task),
        threads=task.threads,
    )


def _stored(task: BlockTask) -> pd.DataFrame | None:
    """Return the stored versions of windows of which something that arrives now was known by then."""
    since = task.block.known
    late = [str(asset) for asset, time in task.known["known"].items() if time >= since.get(str(asset), time + _INSTANT)]
    if not late:
        return None
    table = task.indicators.plan.table
    return tables.read(task.workspace, table, assets=late, start=task.block.first - _INSTANT, end=task.end)


def _later_known(
    workspace: Workspace, source: str, block: Block, upto: int, known: pd.DataFrame
) -> dict[str, pd.Timestamp]:
    """Say when the first row after a block was known; any time before what is wanted will do."""
    since = pd.Series(dict(block.known)).reindex(known.index)
    settled = (known["last"] > block.last) & (known["known"] < since)
    asked = list(known.index[~settled])
    later = first_known_after(workspace, source, asked, block.last, upto=upto) if asked else {}
    return later | {str(asset): time for asset, time in known.loc[settled, "known"].items()}
