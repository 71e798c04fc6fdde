"""What is stored about the assets of one type, so that a person sees what can be learned from it before training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract.contract_types import ALL_CHANNELS
from data_contracts.contract.registered import find_telemetry_contract
from data_contracts.ingestion.unmatched import Unmatched, find_unmatched
from data_contracts.tables.telemetry_profiles import (
    GAP,
    asset_profiles,
    channel_profiles,
    quality_counts,
    text_channels,
)
from data_contracts.workspace import Workspace
from features.clock import TIME, Clock, clock_of
from pipelines.data_reports.data_suggestions import Suggestion
from pipelines.data_reports.failure_report import FailureReport, failure_sentences, report_failures
from pipelines.data_reports.outcome_choice import BOOKED, OutcomeChoice
from pipelines.undeclared.findings import Undeclared
from pipelines.undeclared.search import find_undeclared

_LISTED = 50  # assets in full; the others are counted
CLOCK = {
    "repeated": "readings of an instant that a source gave more than once",
    "early": "readings known before they happened",
    "future": "readings in the future",
    "late": "readings known earlier than one before them",
}


@dataclass(frozen=True)
class ChannelReport:
    """One channel over all assets."""

    name: str
    missing: float  # the share of readings without a value
    low: float
    high: float
    constant: int  # assets on which it has one value only
    dead: int  # assets on which it has none


@dataclass(frozen=True)
class DataReport:
    """What is stored about the assets of one type."""

    asset_type: str
    now: pd.Timestamp
    assets: int
    rows: int
    readings: int  # rows without those that a later one corrects
    first: pd.Timestamp
    last: pd.Timestamp
    interval_s: float | None  # median over the assets of the seconds between readings
    intervals_s: tuple[float, float] | None  # of 90 % of the assets
    gaps: int
    gap_assets: int
    gap_share: float  # of all observed time
    longest_gap: str
    measured: int  # assets whose gaps were measured
    clock: Mapping[str, int]  # oddities, by what they are; see `CLOCK`
    channels: tuple[ChannelReport, ...]
    text_channels: tuple[str, ...]
    failures: FailureReport
    suggestion: Suggestion | None
    unmatched: Unmatched
    undeclared: Undeclared
    qualities: Mapping[str, Mapping[str, int]]  # by channel, how many readings are bad or uncertain
    written: Clock  # how times and durations are
    profiles: pd.DataFrame = field(repr=False)  # of each asset, those with the largest gaps first

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; of the assets those with the largest gaps."""
        plain = {name: value for name, value in vars(self).items() if name not in _APART}
        return {
            **plain,
            **({} if self.written == TIME else {"clock_is": self.written.name}),
            "channels": [vars(channel) for channel in self.channels],
            "failures": vars(self.failures),
            "suggestion": None if self.suggestion is None else self.suggestion.to_dict(),
            "unmatched": self.unmatched.to_dict(),
            "undeclared": self.undeclared.to_dict(),
            "head": list(self.head),
            "by_asset": self.profiles.head(_LISTED).reset_index().to_dict("records"),
            "more_assets": max(0, len(self.profiles) - _LISTED),
        }

    @property
    def head(self) -> tuple[str, ...]:
        """Say the most important, a sentence each."""
        span = f"{self.written.instant(self.first)} to {self.written.instant(self.last)}"
        what = f"{_count(self.readings, 'reading')} of {_count(self.assets, 'asset')} of type {self.asset_type}"
        parts = [f"{what}, {span}{self._rhythm()}"]
        parts.append(self._gaps())
        parts += self._channels()
        parts += self._qualities()
        parts += [f"clock: {count:,} {CLOCK[name]}" for name, count in self.clock.items() if count]
        parts += failure_sentences(self.failures, self.suggestion, self.written)
        return tuple(parts)

    def _rhythm(self) -> str:
        if self.interval_s is None or self.intervals_s is None:
            return ""
        low, high = (format_seconds(each, self.written) for each in self.intervals_s)
        others = "" if low == high else f" ({low} to {high} on 90 % of the assets)"
        return f", one every {format_seconds(self.interval_s, self.written)}{others}"

    def _gaps(self) -> str:
        of = "" if self.measured == self.assets else f" (measured on {self.measured:,} assets)"
        if not self.gaps:
            return f"no gap of more than {GAP} intervals{of}"
        where = f"{_count(self.gap_assets, 'asset')}, {self.gap_share:.1%} of the time there"
        count = f"{_count(self.gaps, 'gap')} on {where}"
        return f"{count}; the longest {self.longest_gap}{of}"

    def _channels(self) -> list[str]:
        odd = [channel for channel in self.channels if channel.constant or channel.dead or channel.missing > 0.05]
        names = _count(len(self.channels) + len(self.text_channels), "channel")
        if self.text_channels:
            names += f", of them texts: {', '.join(self.text_channels)}"
        notes = []
        for channel in odd[:_NAMED]:
            facts = [
                f"constant on {_count(channel.constant, 'asset')}" if channel.constant else "",
                f"without values on {_count(channel.dead, 'asset')}" if channel.dead else "",
                f"{channel.missing:.0%} missing" if channel.missing > 0.05 else "",
            ]
            notes.append(f"{channel.name} ({', '.join(fact for fact in facts if fact)})")
        more = f" and {len(odd) - _NAMED} more" if len(odd) > _NAMED else ""
        return [names + (f"; look at {', '.join(notes)}{more}" if notes else "")]

    def _qualities(self) -> list[str]:
        if not self.qualities:
            return []
        each = [
            f"{'all channels' if name == ALL_CHANNELS else name} "
            + ", ".join(f"{count:,} {quality}" for quality, count in counts.items())
            for name, counts in self.qualities.items()
        ]
        more = f" and {len(each) - _NAMED} more channels" if len(each) > _NAMED else ""
        return [f"readings that are not good, by their quality: {'; '.join(each[:_NAMED])}{more}"]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


_APART = ("channels", "failures", "suggestion", "unmatched", "undeclared", "profiles", "written")
_NAMED = 4


def format_seconds(seconds: float, clock: Clock = TIME) -> str:
    """Write a duration as people say it.

    Examples
    --------
    >>> format_seconds(3600.0), format_seconds(0.01), format_seconds(3_283_200.0)
    ('1 h', '10 ms', '38 days')
    """
    if clock.cycle is not None:
        return clock.duration(pd.Timedelta(seconds=seconds))
    for unit, size, most in (("ms", 1e-3, 1.0), ("s", 1.0, 60.0), ("min", 60.0, 3600.0), ("h", 3600.0, 48 * 3600.0)):
        if seconds < most:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86400:.3g} days"


def report_data(
    workspace: Workspace,
    asset_type: str,
    *,
    now: pd.Timestamp,
    horizon: pd.Timedelta | None = None,
    outcome: OutcomeChoice = BOOKED,
    unmatched: Unmatched | None = None,
) -> DataReport | None:
    """Describe what is stored about the assets of one type; None without telemetry.

    `horizon` is one more to count positives at, `outcome` what is to be predicted. `unmatched` is what is known to
    match nothing already.
    """
    table = f"telemetry/{asset_type}"
    profiles = asset_profiles(workspace, table, now=now)
    if profiles.empty:
        return None
    repeated = profiles["repeated"].fillna(0)
    channels = channel_profiles(workspace, table, list(profiles.index[repeated > 0]))
    outcome.check(tuple(dict.fromkeys(channels["channel"])) if len(channels) else ())
    measured = profiles["interval"].notna()
    interval = float(profiles.loc[measured, "interval"].median()) if measured.any() else None
    clock = clock_of(find_telemetry_contract(workspace.contracts, asset_type))
    failures, suggestion = report_failures(
        workspace, table, profiles, interval, clock, outcome=outcome, horizon=horizon, now=now
    )
    observed = (profiles["last"] - profiles["first"]).dt.total_seconds()
    with_gaps = profiles["gaps"].fillna(0) > 0
    return DataReport(
        asset_type=asset_type,
        now=now,
        assets=len(profiles),
        rows=int(profiles["rows"].sum()),
        readings=int((profiles["rows"] - repeated).sum()),
        first=profiles["first"].min(),
        last=profiles["last"].max(),
        interval_s=interval,
        intervals_s=_range(profiles.loc[measured, "interval"]),
        gaps=int(profiles["gaps"].fillna(0).sum()),
        gap_assets=int(with_gaps.sum()),
        gap_share=float(profiles["gap_s"].sum() / max(observed[with_gaps].sum(), 1e-9)) if with_gaps.any() else 0.0,
        longest_gap=_longest(profiles, clock),
        measured=int(measured.sum()) if not measured.all() else len(profiles),
        clock={name: int(profiles[name].fillna(0).sum()) for name in CLOCK},
        channels=_channel_reports(channels),
        text_channels=text_channels(workspace, table),
        failures=failures,
        suggestion=suggestion,
        unmatched=find_unmatched(workspace) if unmatched is None else unmatched,
        qualities=quality_counts(workspace, table),
        undeclared=find_undeclared(workspace, asset_type, profiles["rows"], now=now),
        written=clock,
        profiles=profiles.sort_values(["gap_s", "rows"], ascending=[False, False], kind="stable"),
    )


def _range(intervals: "pd.Series[float]") -> tuple[float, float] | None:
    if intervals.empty:
        return None
    return float(intervals.quantile(0.05)), float(intervals.quantile(0.95))


def _longest(profiles: pd.DataFrame, clock: Clock) -> str:
    if not (profiles["gaps"].fillna(0) > 0).any():
        return ""
    row = int(np.nanargmax(profiles["longest_gap_s"].to_numpy(dtype=np.float64)))
    gap = profiles.iloc[row]
    until = pd.Timestamp(int(gap["longest_gap_end"]), unit="us", tz="UTC")
    return f"{format_seconds(float(gap['longest_gap_s']), clock)}, {gap.name!r} until {clock.instant(until)}"


def _channel_reports(channels: pd.DataFrame) -> tuple[ChannelReport, ...]:
    reports = []
    for name, rows in channels.groupby("channel", sort=False) if len(channels) else ():
        values = int(rows["values"].sum())
        constant = (rows["values"] > 1) & (rows["low"] == rows["high"])
        reports.append(
            ChannelReport(
                name=str(name),
                missing=1 - values / max(int(rows["rows"].sum()), 1),
                low=float(rows["low"].min()) if values else float("nan"),
                high=float(rows["high"].max()) if values else float("nan"),
                constant=int(constant.sum()),
                dead=int((rows["values"] == 0).sum()),
            )
        )
    return tuple(reports)
