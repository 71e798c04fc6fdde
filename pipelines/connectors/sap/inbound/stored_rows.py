"""Which rows that were read tell something new, beside what is stored of the same failure or work order.

The same is read again and again, as changes overlap and an order changes with its notification. A row is known if its
content is that of the last correction before its known time, or of any one since: what a planner has corrected here
meanwhile stays. Where the very same state of SAP now means something else, as its codes are in the table now, that
became known now.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from data_contracts.contract.contract_types import Contract
from data_contracts.ingestion import quarantine
from data_contracts.ingestion.reused_ids import IDENTIFIERS
from data_contracts.ingestion.row_serialization import to_texts
from data_contracts.tables import tables
from data_contracts.tables.corrections import in_order_of_correction
from data_contracts.workspace import Workspace

Row = dict[str, Any]
_MICROSECOND = pd.Timedelta(microseconds=1)


def new_rows(workspace: Workspace, contract: Contract, rows: Sequence[Row], now: pd.Timestamp) -> list[Row]:
    """Return the rows that tell something new, each as known since when; the last of those with one id."""
    identifier = IDENTIFIERS[contract.kind]
    latest = {(row["asset"], row[identifier]): row for row in rows}
    stored = tables.read(workspace, contract.table, assets=sorted({str(asset) for asset, _ in latest}))
    key = ["asset", identifier]
    before = (
        {
            group: versions.to_dict("records")
            for group, versions in in_order_of_correction(stored, key).groupby(key, sort=False)
        }
        if len(stored)
        else {}
    )
    names = [column.name for column in contract.columns if column.name != "known_time"]
    changed = (_since(row, before.get(own, ()), names, now) for own, row in latest.items())
    return [row for row in changed if row is not None]


def not_held(workspace: Workspace, contract: Contract, frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out the rows that are in quarantine as they are."""
    held = {_text(row) for row in quarantine.list_rows(workspace, contract.name)["row"]}
    return frame[[_text(row) not in held for row in to_texts(frame)]]


def _since(row: Row, versions: Sequence[Mapping[Any, Any]], names: Sequence[str], now: pd.Timestamp) -> Row | None:
    """Return a row with the time since when it is known; None if it tells nothing new."""
    known = row["known_time"]
    if known is None:
        return row  # which its contract refuses
    content = _content(row, names)
    earlier = [version for version in versions if version["known_time"] < known]
    later = [version for version in versions if version["known_time"] >= known]
    if any(_content(version, names) == content for version in (*earlier[-1:], *later)):
        return None
    if any(version["known_time"] == known for version in later):
        return row | {"known_time": max(now, later[-1]["known_time"] + _MICROSECOND)}
    return row


def _text(row: str) -> str:
    return json.dumps({name: value for name, value in json.loads(row).items() if value is not None}, sort_keys=True)


def _content(row: Mapping[Any, Any], names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(None if pd.isna(row.get(name)) else row[name] for name in names)
