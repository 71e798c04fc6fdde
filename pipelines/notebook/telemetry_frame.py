"""Stored telemetry as a frame that fits into memory."""

from collections.abc import Sequence

import pandas as pd

from data_contracts.contract.contract_types import STORED_VERSION
from data_contracts.errors import UsageError
from data_contracts.tables.history import open_history, read_history
from data_contracts.workspace import Workspace
from pipelines.jobs.data_report import refuse_unknown_type, stored_types

MOST_ROWS = 5_000_000
_INSTANT = pd.Timedelta(microseconds=1)


def telemetry_frame(
    workspace: Workspace,
    asset_type: str,
    *,
    assets: Sequence[str] | None,
    since: pd.Timestamp | None,
    as_of: pd.Timestamp | None,
    limit: int,
) -> pd.DataFrame:
    """Read telemetry with the overrides of twins, as known at a time; `UsageError` for more rows than the limit."""
    refuse_unknown_type(asset_type, stored_types(workspace))
    start = None if since is None else since - _INSTANT
    rows = _count(workspace, asset_type, assets, start, as_of)
    if rows > limit:
        raise UsageError(
            f"{rows:,} readings of {asset_type}",
            f"at most {limit:,}, to be held in memory",
            "Name fewer assets or a later since, or raise the limit",
        )
    history = read_history(workspace, asset_type, assets=assets, as_of=as_of, start=start)
    return history.telemetry.drop(columns=STORED_VERSION, errors="ignore")


def _count(
    workspace: Workspace,
    asset_type: str,
    assets: Sequence[str] | None,
    start: pd.Timestamp | None,
    as_of: pd.Timestamp | None,
) -> int:
    stored = open_history(workspace, asset_type, as_of=as_of, start=start).stored
    counts = None if stored is None else stored.shared.catalogue
    if counts is None:
        return 0
    return int((counts if assets is None else counts[counts["asset"].isin(list(assets))])["rows"].sum())
