"""Sensors that were swapped or recalibrated, a process that has changed, machines operated in other regimes."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, mannwhitneyu

from models.diagnosis.diagnosis_types import (
    DAY,
    PROCESS,
    REGIME,
    REPORTED,
    UNREPORTED,
    DiagnosisInputs,
    Finding,
    Limits,
    describe_assets,
    join_names,
)
from models.diagnosis.level_shifts import (
    Deviations,
    LevelShift,
    LevelShiftRule,
    asset_shifts,
    deviations,
    fleet_shifts,
    heights_at,
)


def sensor_changes(inputs: DiagnosisInputs, limits: Limits) -> Iterator[Finding]:
    """Find changed sensors, reported or not, and changes all over the fleet; at most one finding of each.

    A shift of one asset that coincides with the fleet's own on the same channel is the process, not the sensor. When
    most of the assets are recalibrated at once without a report, that looks the same as a change of the process.
    """
    channels = list(deviations(inputs.levels, inputs.reference_end))
    reported = reported_changes(inputs.events, inputs.reference_end, limits.sensor_codes)
    of_fleet = fleet_shifts(channels, inputs.reference_end, limits)
    of_assets = asset_shifts(channels, inputs.reference_end, limits)
    if reported:
        moved = moved_channels(channels, reported, limits)
        explained = (shift.channel for shift in of_assets if _is_reported(shift, reported, limits))
        yield _reported(reported, tuple(dict.fromkeys([*moved, *explained])), inputs)
    unexplained = [
        shift
        for shift in of_assets
        if not (_is_reported(shift, reported, limits) or _is_fleet_wide(shift, of_fleet, limits))
    ]
    if unexplained:
        yield _unreported(unexplained, inputs)
    if of_fleet:
        yield _process(of_fleet, inputs)


def regime_shift(inputs: DiagnosisInputs, limits: Limits) -> Iterator[Finding]:
    """Find whether the machines are operated in other regimes; at most one finding.

    It warns and sets no assets aside: other regimes are no fault.
    """
    days = inputs.regimes.index.get_level_values("day")
    usual = _mean_shares(inputs.regimes[days < inputs.reference_end])
    recent = _mean_shares(inputs.regimes[days > inputs.last_day - limits.recent_days * DAY])
    if usual.empty or recent.isna().any() or usual.isna().any():
        return
    index = stability_index(usual, recent)
    if index > limits.regime_shift:
        most = str((recent - usual).abs().idxmax())
        since = inputs.last_day - (limits.recent_days - 1) * DAY
        sentence = (
            f"The machines are operated differently than in the reference period: regime {most} has {recent[most]:.0%} "
            f"of the time since {since:%Y-%m-%d}, before {usual[most]:.0%} (stability index {index:.2f}; "
            f"{limits.regime_shift:g} is accepted)."
        )
        yield Finding(REGIME, inputs.assets, (), since, sentence)


def stability_index(usual: "pd.Series[float]", recent: "pd.Series[float]") -> float:
    """Return the population stability index of two distributions over the same classes, as shares that sum to one.

    It is the sum of (recent - usual) * log(recent / usual), also known as Jeffreys' divergence; each class counts with
    a share of at least a thousandth.

    Examples
    --------
    >>> round(stability_index(pd.Series([0.5, 0.5]), pd.Series([0.75, 0.25])), 3)
    0.275
    """
    before, after = usual.clip(lower=1e-3), recent.clip(lower=1e-3)
    return float(((after - before) * np.log(after / before)).sum())


def reported_changes(
    events: pd.DataFrame, reference_end: pd.Timestamp, codes: Sequence[str]
) -> dict[str, pd.Timestamp]:
    """Return the assets with a sensor change reported after the reference period, each with the first event time."""
    reports = events[events["code"].isin(list(codes)) & (events["event_time"] > reference_end)]
    return {str(asset): time for asset, time in reports.groupby("asset")["event_time"].min().items()}


def moved_channels(
    channels: Sequence[Deviations], reported: Mapping[str, pd.Timestamp], rule: LevelShiftRule
) -> tuple[str, ...]:
    """Return the channels on which the assets with a report moved otherwise than all others did on the same day.

    Mann and Whitney's test of the differences between before and after, with Benjamini and Hochberg's procedure over
    the channels. As the day is known, smaller shifts are detected than without a report.
    """
    median_report = sorted(reported.values())[len(reported) // 2]
    tested, p_values = [], []
    for each in channels:
        unreported = dict.fromkeys(sorted(set(each.assets) - set(reported)), median_report)
        theirs, others = heights_at(each, dict(reported), rule), heights_at(each, unreported, rule)
        theirs, others = theirs[np.isfinite(theirs)], others[np.isfinite(others)]
        if len(theirs) and len(others):
            tested.append(each.channel)
            p_values.append(float(mannwhitneyu(theirs, others).pvalue))
    adjusted = false_discovery_control(p_values) if p_values else []
    return tuple(channel for channel, p in zip(tested, adjusted, strict=True) if p <= rule.false_discovery)


def _is_reported(shift: LevelShift, reported: Mapping[str, pd.Timestamp], limits: Limits) -> bool:
    time = reported.get(str(shift.asset))
    return time is not None and abs(shift.since - time) <= limits.step_days * DAY


def _is_fleet_wide(shift: LevelShift, of_fleet: Sequence[LevelShift], limits: Limits) -> bool:
    within = limits.step_days * DAY
    return any(fleet.channel == shift.channel and abs(fleet.since - shift.since) <= within for fleet in of_fleet)


def _reported(reported: Mapping[str, pd.Timestamp], moved: tuple[str, ...], inputs: DiagnosisInputs) -> Finding:
    first = min(reported.values())
    effect = f"{join_names(moved)} {_read(moved)} differently since" if moved else "no channel has been seen to move"
    sentence = (
        f"A sensor was reported as swapped or recalibrated on {describe_assets(reported, inputs.assets)}, the first on "
        f"{first:%Y-%m-%d}; {effect}."
    )
    return Finding(REPORTED, tuple(reported), moved, first, sentence, set_aside=dict(reported))


def _unreported(shifts: Sequence[LevelShift], inputs: DiagnosisInputs) -> Finding:
    since: dict[str, pd.Timestamp] = {}
    for shift in sorted(shifts, key=lambda shift: shift.since, reverse=True):
        since[str(shift.asset)] = shift.since
    counts = pd.Series([shift.channel for shift in shifts]).value_counts(sort=True)
    channels, first = tuple(map(str, counts.index)), min(since.values())
    signs = frozenset(shift.height > 0 for shift in shifts)
    direction = {frozenset({True}): "higher", frozenset({False}): "lower"}.get(signs, "differently")
    sentence = (
        f"{join_names(channels)} {_read(channels)} {direction} on {describe_assets(since, inputs.assets)} from one day "
        f"to the next, the first about {first:%Y-%m-%d}, and ever since: a sensor that was swapped or recalibrated "
        "without a report."
    )
    return Finding(UNREPORTED, tuple(sorted(since)), channels, first, sentence, set_aside=dict(sorted(since.items())))


def _read(channels: Sequence[str]) -> str:
    return "reads" if len(channels) == 1 else "read"


def _process(shifts: Sequence[LevelShift], inputs: DiagnosisInputs) -> Finding:
    first, channels = min(shift.since for shift in shifts), tuple(shift.channel for shift in shifts)
    sentence = (
        f"{join_names(channels)} moved on most assets at once, about {first:%Y-%m-%d}: the process or its operation "
        "has changed, not single sensors."
    )
    return Finding(PROCESS, inputs.assets, channels, first, sentence)


def _mean_shares(regimes: pd.DataFrame) -> "pd.Series[float]":
    # Shares of each asset first, so that one that reports more often does not weigh more.
    counts = regimes.groupby("asset").sum()
    return counts[counts.sum(axis=1) > 0].pipe(lambda some: some.div(some.sum(axis=1), axis=0)).mean()
