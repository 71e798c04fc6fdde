"""Which raw telemetry is no longer kept: what all indicators have read, and no champion or version needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.tables import tables
from data_contracts.upkeep.deletion import Expired, first_unread, silent_assets
from data_contracts.workspace import Workspace
from features.indicators.plan import IndicatorPlan
from features.names import format_duration
from pipelines.settings.sections import UpkeepSettings
from pipelines.upkeep.champion_windows import champions_cut_short
from pipelines.upkeep.trained_versions import TrainedVersion

TELEMETRY = "telemetry/"
_LATELY = pd.Timedelta(hours=1)  # an asset that has sent within this time is not silent


@dataclass(frozen=True)
class Retention:
    """Which rows of a table are no longer kept, and what there is to say about it."""

    expired: Expired | None
    notes: tuple[str, ...] = ()


def retention(
    workspace: Workspace,
    settings: UpkeepSettings,
    table: str,
    plans: Sequence[IndicatorPlan],
    trained: Sequence[TrainedVersion],
    *,
    now: pd.Timestamp,
) -> Retention:
    """Say which rows of a table are no longer kept: old ones of an asset type, which all its indicators have read."""
    if settings.raw is None or not table.startswith(TELEMETRY) or any(plan.table == table for plan in plans):
        return Retention(None)
    readers = [plan for plan in plans if TELEMETRY + plan.asset_type == table]
    if not readers:
        return Retention(None, ("kept, as no indicators are computed from it",))
    window = max(plan.window for plan in readers)
    if settings.raw < window + _LATELY:
        raise UsageError(
            f"upkeep.raw is {format_duration(settings.raw)}, and indicators have windows of {format_duration(window)}",
            f"at least an hour longer than these, {format_duration(window + _LATELY)}",
            "Keep raw telemetry longer",
        )
    marks = [tables.batch_mark(workspace, plan.table, plan.consumer) for plan in readers]
    unread = [plan.name for plan, mark in zip(readers, marks, strict=True) if mark is None]
    if unread:
        return Retention(None, (f"kept, as the indicators {', '.join(unread)} have not been computed yet",))
    if short := champions_cut_short(workspace, table, settings.raw):
        return Retention(None, tuple(f"kept, as {each}; keep raw telemetry longer" for each in short))
    read_upto = min(mark for mark in marks if mark is not None)
    until, notes = (now - settings.raw).floor("h"), list[str]()
    first = first_unread(workspace, table, read_upto)
    if first is not None and first - window < until:
        until = (first - window).floor("h")
        notes.append(f"kept from {until.isoformat()} on, as indicators have not read all of it")
    kept = _kept_upto(table, trained) if settings.keep_trained else -1
    if kept >= 0:
        notes.append(f"kept as far as version {kept} stored it, as models were trained on it")
    return Retention(Expired(until, read_upto, kept, _tails(workspace, table, until, window, now)), tuple(notes))


def _kept_upto(table: str, trained: Sequence[TrainedVersion]) -> int:
    return max((each.version for each in trained if each.table == table), default=-1)


def _tails(
    workspace: Workspace, table: str, until: pd.Timestamp, window: pd.Timedelta, now: pd.Timestamp
) -> Mapping[str, pd.Timestamp]:
    """Return since when telemetry is kept of assets that fell silent: their last window is complete once they send."""
    last = silent_assets(workspace, table, until=until, since=now - _LATELY)
    return {asset: time - window for asset, time in last.items() if time - window < until}
