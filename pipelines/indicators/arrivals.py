"""What arrived in a table between two of its versions, and what had arrived before, per asset."""

from collections.abc import Sequence

import pandas as pd

from data_contracts.contract.contract_types import STORED_VERSION
from data_contracts.tables.arrow_frames import to_pandas
from data_contracts.tables.row_conditions import instant, is_one_of
from data_contracts.tables.table_access import open_to_read, query, storage
from data_contracts.workspace import Workspace

_TIME = "datetime64[us, UTC]"


def arrivals(workspace: Workspace, table: str, *, after: int, upto: int, step: pd.Timedelta) -> pd.DataFrame:
    """Return when the rows happened that the versions after one, up to another, stored.

    One row for each asset and step of event time since 1970: asset, begin (of the step), last (the latest event time in
    it), known (the earliest known time), latest_known and rows.
    """
    seconds = step / pd.Timedelta(seconds=1)
    bins = f"date_bin(INTERVAL '{seconds:.6f} seconds', event_time, TIMESTAMP '1970-01-01T00:00:00Z')"
    columns = f"asset, {bins} AS begin, max(event_time) AS last, min(known_time) AS known, "
    columns += "max(known_time) AS latest_known, count(*) AS rows"
    condition = f"{STORED_VERSION} > {after} AND {STORED_VERSION} <= {upto}"
    times = dict.fromkeys(("begin", "last", "known", "latest_known"), _TIME)
    names = {"asset": "str", **times, "rows": "int64"}
    return _select(workspace, table, f"SELECT {columns} FROM t WHERE {condition} GROUP BY asset, begin", names)  # noqa: S608


def known_before(workspace: Workspace, table: str, *, upto: int) -> pd.DataFrame:
    """Return the latest event and known time of each asset's rows that the versions up to one stored, by asset."""
    columns = "asset, max(event_time) AS last, max(known_time) AS known"
    names = {"asset": "str", "last": _TIME, "known": _TIME}
    statement = f"SELECT {columns} FROM t WHERE {STORED_VERSION} <= {upto} GROUP BY asset"  # noqa: S608
    return _select(workspace, table, statement, names).set_index("asset")


def first_known_after(
    workspace: Workspace, table: str, assets: Sequence[str], time: pd.Timestamp, *, upto: int
) -> dict[str, pd.Timestamp]:
    """Return when the first of each asset's rows with a later event time was known, among those stored by then."""
    condition = (
        f"event_time > {instant(time)} AND {STORED_VERSION} <= {upto} AND {is_one_of('asset', assets, of_all=True)}"
    )
    statement = f"SELECT asset, min(known_time) AS known FROM t WHERE {condition} GROUP BY asset"  # noqa: S608
    rows = _select(workspace, table, statement, {"asset": "str", "known": _TIME})
    return dict(zip(rows["asset"], rows["known"], strict=True))


def settled_until(
    workspace: Workspace, table: str, assets: Sequence[str], known: pd.Timestamp, *, upto: int
) -> "pd.Series[pd.Timestamp]":
    """Return the latest event time of each asset's rows that were known by a time, among those stored by then.

    Of an asset without any it is the time of its first row.
    """
    latest = f"max(CASE WHEN known_time <= {instant(known)} THEN event_time END)"
    condition = f"{STORED_VERSION} <= {upto} AND {is_one_of('asset', assets, of_all=True)}"
    statement = f"SELECT asset, coalesce({latest}, min(event_time)) AS last FROM t WHERE {condition} GROUP BY asset"  # noqa: S608
    return _select(workspace, table, statement, {"asset": "str", "last": _TIME}).set_index("asset")["last"]


def _select(workspace: Workspace, table: str, statement: str, columns: dict[str, str]) -> pd.DataFrame:
    with storage(workspace, table):
        delta = open_to_read(workspace, table)
        if delta is None:
            return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in columns.items()})
        return to_pandas(query(delta, statement)).astype(columns)
