"""Everything known about the assets of one type, as one value that can be cut back to any earlier time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from data_contracts import tables
from data_contracts.errors import NotFoundError, did_you_mean
from data_contracts.telemetry import KEY
from data_contracts.workspace import Workspace

_FRAMES = ("telemetry", "assets", "failures", "work_orders", "events")


@dataclass(frozen=True)
class History:
    """What is known about the assets of one type.

    Parameters
    ----------
    asset_type
        The asset type.
    channels
        The telemetry channels, in order.
    telemetry
        Telemetry, not reconciled: asset, event_time, known_time, source and the channels.
    assets, failures, work_orders, events
        The tables of those names.
    versions
        The versions of the tables it was read from.
    """

    asset_type: str
    channels: tuple[str, ...]
    telemetry: pd.DataFrame
    assets: pd.DataFrame
    failures: pd.DataFrame
    work_orders: pd.DataFrame
    events: pd.DataFrame
    versions: Mapping[str, int] = field(default_factory=dict)

    def as_of(self, time: pd.Timestamp) -> "History":
        """Leave out whatever became known after a time.

        Parameters
        ----------
        time
            The last known time to keep.

        Returns
        -------
        History
            What was known then.
        """
        frames = {name: getattr(self, name) for name in _FRAMES}
        known = {name: frame[frame["known_time"] <= time].reset_index(drop=True) for name, frame in frames.items()}
        return replace(self, **known)


def read_history(
    workspace: Workspace,
    asset_type: str,
    *,
    plant: str | None = None,
    assets: Sequence[str] | None = None,
    as_of: pd.Timestamp | None = None,
    versions: Mapping[str, int] | None = None,
    start: pd.Timestamp | None = None,
) -> History:
    """Read everything known about the assets of one type.

    Parameters
    ----------
    workspace
        Where the tables are.
    asset_type
        The asset type.
    plant
        Only the assets that, by their latest record, stand in this plant.
    assets
        Only these assets.
    as_of
        Leave out what became known later.
    versions
        The versions of the tables to read; a table that is missing here counts as empty. The latest if None.
    start
        Leave out telemetry with an event time up to this one.

    Returns
    -------
    History
        What is known.

    Raises
    ------
    NotFoundError
        If an asset, or every asset of the plant, is unknown.
    StorageError
        If a table is corrupt.
    """
    held = tables.versions(workspace)
    used = held if versions is None else {table: version for table, version in versions.items() if table in held}

    def read(table: str, wanted: Sequence[str] | None, since: pd.Timestamp | None = None) -> pd.DataFrame:
        if versions is not None and table not in used:
            return tables.empty(table)
        return tables.read(workspace, table, as_of=as_of, version=used.get(table), assets=wanted, start=since)

    registered = _of_type(read("assets", assets), asset_type)
    if plant is not None:
        registered = _in_plant(registered, plant)
    telemetry_table = f"telemetry/{asset_type}"
    everything = plant is None and assets is None
    chosen = None if everything else sorted(set(registered["asset"]) | (set(assets or ()) if plant is None else set()))
    telemetry = read(telemetry_table, chosen, start)
    known = set(registered["asset"]) | set(telemetry["asset"])
    if assets is not None:
        _refuse_unknown(assets, known, _all_ids(workspace, asset_type), asset_type)
    names = sorted(known)
    return History(
        asset_type=asset_type,
        channels=tuple(column for column in telemetry.columns if column not in (*KEY, "known_time")),
        telemetry=telemetry,
        assets=registered,
        failures=read("failures", names),
        work_orders=read("work_orders", names),
        events=read("events", names),
        versions={table: used[table] for table in (telemetry_table, *_FRAMES[1:]) if table in used},
    )
