"""Sensors that read differently, a process that has changed, machines that are run in another way."""

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
    assets_of,
    named,
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


def sensor_changes(evidence: DiagnosisInputs, limits: Limits) -> Iterator[Finding]:
    """Find sensors that were swapped or recalibrated, reported or not, and what moved all over the fleet.

    Parameters
    ----------
    evidence : DiagnosisInputs
        Its events and levels.
    limits : Limits
        The codes that report it, and what counts as a step.

    Yields
    ------
    Finding
        At most one of what was reported, one of what was not, and one of the process.

    Notes
    -----
    A step of one asset that falls together with the fleet's own on the same channel is the process, not the sensor.
    When nobody reports it and most of the assets are recalibrated at once, that cannot be told from a change of the
    process.
    """
    found = list(deviations(evidence.levels, evidence.reference_end))
    reported = reported_changes(evidence.events, evidence.reference_end, limits.sensor_codes)
    everywhere = fleet_shifts(found, evidence.reference_end, limits)
    steps = asset_shifts(found, evidence.reference_end, limits)
    if reported:
        moved = moved_channels(found, reported, limits)
        moved = tuple(dict.fromkeys([*moved, *(step.channel for step in steps if _known(step, reported, limits))]))
        yield _reported(reported, moved, evidence)
    unknown = [step for step in steps if not (_known(step, reported, limits) or _shared(step, everywhere, limits))]
    if unknown:
        yield _unreported(unknown, evidence)
    if everywhere:
        yield _process(everywhere, evidence)


def regime_shift(evidence: DiagnosisInputs, limits: Limits) -> Iterator[Finding]:
    """Find whether the machines are run in other regimes than they were.

    Parameters
    ----------
    evidence : DiagnosisInputs
        Its regimes.
    limits : Limits
        The largest shift.

    Yields
    ------
    Finding
        At most one. It warns, and sets nothing aside: machines are there to be run.
    """
    days = evidence.regimes.index.get_level_values("day")
    usual = _mean_shares(evidence.regimes[days < evidence.reference_end])
    recent = _mean_shares(evidence.regimes[days > evidence.last_day - limits.recent_days * DAY])
    if usual.empty or recent.isna().any() or usual.isna().any():
        return
    index = stability_index(usual, recent)
    if index > limits.regime_shift:
        most = str((recent - usual).abs().idxmax())
        since = evidence.last_day - (limits.recent_days - 1) * DAY
        sentence = (
            f"The machines are run in another way than in the reference period: regime {most} has {recent[most]:.0%} "
            f"of the time since {since:%Y-%m-%d}, before {usual[most]:.0%} (stability index {index:.2f}; "
            f"{limits.regime_shift:g} is accepted)."
        )
        yield Finding(REGIME, evidence.assets, (), since, sentence)


def stability_index(usual: "pd.Series[float]", recent: "pd.Series[float]") -> float:
    """Return the population stability index of two distributions over the same classes.

    Parameters
    ----------
    usual, recent : pd.Series of float
        Shares of the classes; each sums to one.

    Returns
    -------
    float
        Sum of (recent - usual) * log(recent / usual), also known as Jeffreys' divergence; a class counts with a share
        of a thousandth at least.

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
    """Return the assets of which somebody reported a change of a sensor after the reference period, and when first.

    Parameters
    ----------
    events : pd.DataFrame
        Columns asset, event_time, code.
    reference_end : pd.Timestamp
        What happened up to it, the champion has learned from.
    codes : sequence of str
        The codes that report it.

    Returns
    -------
    dict of str to pd.Timestamp
        By asset.
    """
    told = events[events["code"].isin(list(codes)) & (events["event_time"] > reference_end)]
    return {str(asset): time for asset, time in told.groupby("asset")["event_time"].min().items()}


def moved_channels(
    found: Sequence[Deviations], reported: Mapping[str, pd.Timestamp], rule: LevelShiftRule
) -> tuple[str, ...]:
    """Tell on which channels assets with a report moved, against all others.

    Parameters
    ----------
    found : sequence of Deviations
        One for each channel.
    reported : mapping of str to pd.Timestamp
        Assets with the time of their report.
    rule : LevelShiftRule
        How many days are compared, and the share of false channels accepted.

    Returns
    -------
    tuple of str
        Channels of which the assets' own before and after differ otherwise than the others' do on the same day
        (Mann and Whitney's test, with Benjamini and Hochberg's procedure over the channels). The day being known,
        smaller steps are seen than those that nobody reported.
    """
    usual_day = sorted(reported.values())[len(reported) // 2]
    tested, p_values = [], []
    for each in found:
        others = dict.fromkeys(sorted(set(each.assets) - set(reported)), usual_day)
        theirs, rest = heights_at(each, dict(reported), rule), heights_at(each, others, rule)
        theirs, rest = theirs[np.isfinite(theirs)], rest[np.isfinite(rest)]
        if len(theirs) and len(rest):
            tested.append(each.channel)
            p_values.append(float(mannwhitneyu(theirs, rest).pvalue))
    adjusted = false_discovery_control(p_values) if p_values else []
    return tuple(channel for channel, p in zip(tested, adjusted, strict=True) if p <= rule.false_discovery)


def _known(step: LevelShift, reported: Mapping[str, pd.Timestamp], limits: Limits) -> bool:
    told = reported.get(str(step.asset))
    return told is not None and abs(step.since - told) <= limits.step_days * DAY


def _shared(step: LevelShift, everywhere: Sequence[LevelShift], limits: Limits) -> bool:
    within = limits.step_days * DAY
    return any(one.channel == step.channel and abs(one.since - step.since) <= within for one in everywhere)


def _reported(reported: Mapping[str, pd.Timestamp], moved: tuple[str, ...], evidence: DiagnosisInputs) -> Finding:
    first = min(reported.values())
    seen = f"{named(moved)} {_read(moved)} otherwise since" if moved else "no channel has been seen to move"
    sentence = (
        f"A sensor was swapped or recalibrated on {assets_of(reported, evidence.assets)}, the first on "
        f"{first:%Y-%m-%d}, as was reported; {seen}."
    )
    return Finding(REPORTED, tuple(reported), moved, first, sentence, set_aside=dict(reported))


def _unreported(steps: Sequence[LevelShift], evidence: DiagnosisInputs) -> Finding:
    since: dict[str, pd.Timestamp] = {}
    for step in sorted(steps, key=lambda step: step.since, reverse=True):
        since[str(step.asset)] = step.since
    channels = pd.Series([step.channel for step in steps]).value_counts(sort=True)
    first, ways = min(since.values()), {step.height > 0 for step in steps}
    way = {frozenset({True}): "higher", frozenset({False}): "lower"}.get(frozenset(ways), "otherwise")
    names = tuple(map(str, channels.index))
    sentence = (
        f"{named(names)} {_read(names)} {way} on {assets_of(since, evidence.assets)} from one "
        f"day to the next, the first about {first:%Y-%m-%d}, and went on doing so: a sensor that was swapped or "
        "recalibrated without a report."
    )
    return Finding(UNREPORTED, tuple(sorted(since)), names, first, sentence, set_aside=dict(sorted(since.items())))


def _read(channels: Sequence[str]) -> str:
    return "reads" if len(channels) == 1 else "read"


def _process(steps: Sequence[LevelShift], evidence: DiagnosisInputs) -> Finding:
    first, channels = min(step.since for step in steps), tuple(step.channel for step in steps)
    sentence = (
        f"{named(channels)} moved on most assets at once, about {first:%Y-%m-%d}: the process has changed, or how it "
        "is run, not single sensors."
    )
    return Finding(PROCESS, evidence.assets, channels, first, sentence)


def _mean_shares(regimes: pd.DataFrame) -> "pd.Series[float]":
    # Of each asset first: one that reports more often than the others is not more of the fleet.
    counts = regimes.groupby("asset").sum()
    return counts[counts.sum(axis=1) > 0].pipe(lambda some: some.div(some.sum(axis=1), axis=0)).mean()
