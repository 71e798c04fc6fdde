"""The failures of the assets of one type, and how many cut-offs they follow within the horizons to try."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_contracts.ingestion.unmatched import is_outside, telemetry_spans
from data_contracts.tables import tables
from data_contracts.tables.corrections import last_corrections
from data_contracts.workspace import Workspace
from features.clock import Clock
from features.names import parse_duration
from features.telemetry.machines import replacements
from models.labels.breakdowns import NO_TIME, breakdown_span, first_bookings
from pipelines.data_reports.data_suggestions import Suggestion, expected_positives, horizons_to_try, suggest
from pipelines.data_reports.outcome_choice import OutcomeChoice

_KEY = ["asset", "failure_id"]


@dataclass(frozen=True)
class FailureReport:
    """The failures of the assets: those that were booked, or the crossings of a threshold."""

    stored: int  # of assets of this type or of none that is known
    matched: int  # within the telemetry of their assets
    assets: int  # that failed
    modes: Mapping[str, int]
    between_h: float | None  # median hours from the first reading, or the failure before, to a failure
    positives: Mapping[str, int]  # cut-offs followed by a failure, by horizon, at the suggested stride
    cut_offs: int  # all at that stride
    breakdowns: int  # the matched ones, but bookings of one breakdown once, see `models.labels.breakdowns`
    crossing: str | None = None  # the condition whose crossings they are, such as "Vb above 300"
    test_start: pd.Timestamp | None = None  # a third of the breakdowns, and at least one, are from then on


def report_failures(
    workspace: Workspace,
    table: str,
    profiles: pd.DataFrame,
    interval_s: float | None,
    clock: Clock,
    *,
    outcome: OutcomeChoice,
    horizon: pd.Timedelta | None,
    now: pd.Timestamp,
) -> tuple[FailureReport, Suggestion | None]:
    """Describe the failures, and suggest windows and horizon by the time between breakdowns.

    How far bookings of one breakdown lie apart depends on the horizon: as long as that is not known, it is a day.
    """
    crossed = outcome.crossings(workspace, table)
    failures = _booked(workspace, profiles) if crossed is None else crossed.assign(matched=True)
    matched = failures[failures["matched"]]
    others = replacements(tables.read(workspace, "assets", assets=list(profiles.index)), now=now)
    claim, breakdowns, suggestion = horizon, matched, None
    for _ in range(2):
        breakdowns = first_bookings(matched, breakdown_span(NO_TIME, claim), others) if crossed is None else matched
        suggestion = suggest(profiles, interval_s, _leads(breakdowns, profiles)["span_s"], clock)
        if horizon is None and suggestion is not None and suggestion.horizon is not None:
            claim = parse_duration(suggestion.horizon)
    leads = _leads(breakdowns, profiles)
    positives, cut_offs = {}, 0
    if suggestion is not None:
        stride = suggestion.stride_s
        cut_offs = int((np.floor((profiles["last"] - profiles["first"]).dt.total_seconds() / stride) + 1).sum())
        positives = expected_positives(leads, horizons_to_try(suggestion, horizon), stride)
    modes = breakdowns["mode"].value_counts().head(20) if "mode" in breakdowns else pd.Series(dtype="int64")
    report = FailureReport(
        stored=len(failures),
        matched=len(matched),
        assets=int(matched["asset"].nunique()),
        modes={str(mode): int(count) for mode, count in modes.items()},
        between_h=float(leads["span_s"].median() / 3600) if len(leads) else None,
        positives=positives,
        cut_offs=cut_offs,
        breakdowns=len(breakdowns),
        test_start=_last_third(breakdowns),
        crossing=None if crossed is None else f"{outcome.condition} {outcome.direction} {outcome.threshold:g}",
    )
    return report, suggestion


def failure_sentences(report: FailureReport, suggestion: Suggestion | None, clock: Clock) -> list[str]:
    """Say how many there are, a sentence each."""
    if not report.stored:
        if report.crossing is not None:
            return [f"no asset has {report.crossing}: nothing to learn from yet"]
        return ["no failures: nothing to learn from yet; import them with --failures"]
    if report.crossing is not None:
        parts = [f"{report.crossing} in {report.assets:,} assets, {report.breakdowns:,} times: these are the failures"]
    else:
        parts = [f"{report.matched:,} of {report.stored:,} failures lie within the telemetry of their assets"]
        if again := report.matched - report.breakdowns:
            parts.append(f"{again:,} of them book a breakdown again, so that {report.breakdowns:,} are left")
    if report.positives and suggestion is not None:
        durations = {clock.duration(parse_duration(horizon)): count for horizon, count in report.positives.items()}
        each = ", ".join(f"{horizon}: {count:,}" for horizon, count in durations.items())
        parts.append(
            f"of {report.cut_offs:,} cut-offs, one every {suggestion.distance}, so many are followed by a "
            f"failure within a horizon: {each}"
        )
    return parts


def _booked(workspace: Workspace, profiles: pd.DataFrame) -> pd.DataFrame:
    """Return the last correction of each failure, with whether its asset's telemetry has something to do with it."""
    failures = tables.read(workspace, "failures")
    others = set(telemetry_spans(workspace).index) - set(profiles.index)
    failures = last_corrections(failures[~failures["asset"].isin(others)], _KEY).reset_index(drop=True)
    matched = failures["asset"].isin(profiles.index) & ~is_outside("failures", failures, profiles)
    return failures.assign(matched=matched)


def _last_third(breakdowns: pd.DataFrame) -> pd.Timestamp | None:
    times = breakdowns["event_time"].sort_values(ignore_index=True)
    return None if times.empty else pd.Timestamp(times[2 * len(times) // 3])


def _leads(failures: pd.DataFrame, profiles: pd.DataFrame) -> pd.DataFrame:
    """Return of each failure the seconds since the one before or the first reading, and since the last reading.

    Columns span_s and silent_s, which is 0 where readings go on until the failure.
    """
    ordered = failures.sort_values(["asset", "event_time"])
    own = profiles.reindex(ordered["asset"]).set_axis(ordered.index)
    begins = ordered.groupby("asset")["event_time"].shift().fillna(own["first"])
    silent = (ordered["event_time"] - own["last"]).dt.total_seconds().clip(lower=0)
    return pd.DataFrame({"span_s": (ordered["event_time"] - begins).dt.total_seconds(), "silent_s": silent})
