"""Machines and channels that no longer say anything: silent, without values, or not changing any more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd

from data_contracts.tables.telemetry_profiles import recent_channels
from models.scheduling.usable_forecasts import retired_at

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_SHORTEST, _USUAL = pd.Timedelta(hours=1), pd.Timedelta(hours=24)
_LIMITS_LOOKED_AT = 6
_FEWEST_ALIKE = 20
_USUALLY_CONSTANT = 0.5


QuietState = Literal["missing", "stale", "unchanged"]


@dataclass(frozen=True)
class SilentMachine:
    """A machine whose latest telemetry is too old."""

    asset: str
    last: pd.Timestamp  # when its last reading became known


@dataclass(frozen=True)
class QuietChannel:
    """A channel of a machine that sends, without values or with one value only."""

    asset: str
    channel: str
    state: QuietState
    last: pd.Timestamp | None  # its last value within what was looked at
    readings: int  # rows of the machine, or values alike
    value: float | None  # that did not change


@dataclass(frozen=True)
class ChannelHealth:
    """What was found over a span of time up to now."""

    asset_type: str
    limit: pd.Timedelta | None  # the age from which telemetry is too old; None for never
    looked_back: pd.Timedelta
    silent: tuple[SilentMachine, ...]  # the longest silence first
    quiet: tuple[QuietChannel, ...]


def channel_health(worker: "WorkerContext") -> ChannelHealth | None:
    """Look at the telemetry of the champion's asset type; None without a champion, or where times count cycles."""
    champion = worker.watch.current
    if champion is None or champion.artifact.clock.cycle is not None:
        return None
    stored, now, asset_type = worker.predictor.stored, worker.predictor.clock(), champion.artifact.recipe.asset_type
    limit = worker.predictor.staleness(champion.artifact).limit
    known = {asset: at for asset, at in stored.latest_telemetry(asset_type).known_times().items() if at <= now}
    retired = retired_at(stored.tables.table("assets").frame, set(known), start=now, now=now)
    known = {asset: at for asset, at in known.items() if asset not in retired}
    back = _USUAL if limit is None else max(_LIMITS_LOOKED_AT * limit, _SHORTEST)
    recent = recent_channels(worker.workspace, f"telemetry/{asset_type}", since=now - back, until=now)
    silent = _silent(known, now, limit)
    sending = recent[recent["asset"].isin(set(known) - {each.asset for each in silent})]
    quiet = _quiet(sending[sending["channel"].isin(champion.artifact.recipe.measured_channels)], now, limit)
    return ChannelHealth(asset_type, limit, back, silent, quiet)


def _silent(
    known: Mapping[str, pd.Timestamp], now: pd.Timestamp, limit: pd.Timedelta | None
) -> tuple[SilentMachine, ...]:
    if limit is None:
        return ()
    old = [SilentMachine(asset, at) for asset, at in known.items() if now - at > limit]
    return tuple(sorted(old, key=lambda each: (each.last, each.asset)))


def _quiet(recent: pd.DataFrame, now: pd.Timestamp, limit: pd.Timedelta | None) -> tuple[QuietChannel, ...]:
    alike = (recent["values"] >= _FEWEST_ALIKE) & (recent["low"] == recent["high"])
    # A set-point that hardly any machine changes is not broken.
    usual = alike.groupby(recent["channel"]).transform("mean") >= _USUALLY_CONSTANT
    missing = recent["values"] == 0
    stale = (now - recent["last"] > limit) & ~missing if limit is not None else missing & False
    states: tuple[tuple[QuietState, pd.Series[bool]], ...] = (
        ("missing", missing),
        ("stale", stale),
        ("unchanged", alike & ~usual & ~stale),
    )
    found = [
        QuietChannel(
            asset=row["asset"],
            channel=row["channel"],
            state=state,
            last=None if pd.isna(row["last"]) else row["last"],
            readings=int(row["values"] or row["rows"]),
            value=float(row["low"]) if state == "unchanged" else None,
        )
        for state, rows in states
        for row in recent[rows].to_dict("records")
    ]
    return tuple(sorted(found, key=lambda each: (each.asset, each.channel)))
