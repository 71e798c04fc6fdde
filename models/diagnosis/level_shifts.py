"""Level shifts of a channel: of one asset against its own past and the rest of the fleet, or of the whole fleet.

A sensor that is swapped or recalibrated reads higher or lower from one day to the next, and goes on doing so. Wear
climbs, and ends with a failure or a repair. So a shift has to be sharp, lasting and even; a climb is no shift.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from data_contracts.configuration.values import configuration
from features.setting_types import Number, PositiveCount, Share

Floats = npt.NDArray[np.float64]

_SPREAD_OF_MAD = 1.4826  # a normal variable's standard deviation in median absolute deviations
_SPREAD_OF_MEDIAN = 1.2533  # the standard error of a median in those of a mean, sqrt(pi / 2)


@configuration
class LevelShiftRule:
    """What counts as a step of a channel's level."""

    step_size: Annotated[Number, Field(ge=0.1, le=100)] = 2.5
    """The smallest step of one asset that is a finding, in standard deviations of its daily medians (by their median
    absolute deviation) in the reference period."""
    fleet_step_size: Annotated[Number, Field(ge=0.1, le=100)] = 0.6
    """The smallest step of the fleet's median asset that is a finding, in the same unit."""
    false_discovery: Annotated[Number, Field(ge=1e-6, le=0.5)] = 0.05
    """Share of false ones accepted among the steps found, over all assets and channels; also the risk, at each look, of
    reporting without cause that the scores have moved."""
    step_days: PositiveCount = 14
    """Days before and after a step that are compared; this many have to follow before it can be seen."""
    sharp_days: PositiveCount = 5
    """Days just before and just after a step that have to differ already."""
    even: Share = 0.6
    """Share of the step's height that the days just after it, and every week since, have to show."""


@dataclass(frozen=True)
class LevelShift:
    """A lasting shift of a channel's level."""

    asset: str | None  # None for the fleet's median asset
    channel: str
    since: pd.Timestamp  # the first day at the new level, give or take a few days
    height: float  # in the reference period's standard deviations; positive when it reads higher
    p_value: float  # upper bound of the probability by chance, over all days it could have come on


@dataclass(frozen=True)
class Deviations:
    """Daily levels of one channel relative to the reference period, in standard deviations of daily medians."""

    channel: str
    days: pd.DatetimeIndex  # every day, without gaps
    assets: tuple[str, ...]  # assets with a level in the reference period
    fleet: Floats  # (n_days,) the median asset's deviation
    own: Floats  # (n_days, n_assets) each asset's deviation less the fleet's
    persistence: float  # correlation of one day with the next, 0 or more


def deviations(levels: pd.DataFrame, reference_end: pd.Timestamp) -> Iterator[Deviations]:
    """Relate daily levels to those of the reference period, for each channel that has a level there.

    `levels` is indexed by asset and day (its begin, UTC) with a column for each channel: the median reading of the day,
    best relative to the operating regime.
    """
    for channel in levels.columns:
        # pivot_table would average what is one row each, and take several times as long.
        daily = levels[channel].dropna().unstack("asset")  # noqa: PD010
        if daily.empty:
            continue
        daily = daily.reindex(pd.date_range(daily.index.min(), daily.index.max(), freq="D"))
        days = pd.DatetimeIndex(daily.index)
        reference = daily[days < reference_end]
        # Fewer than seven days do not show how much a level scatters.
        assets = daily.columns[reference.count() >= 7]
        if assets.empty:
            continue
        usual = reference[assets].median()
        spread = _SPREAD_OF_MAD * (reference[assets] - usual).abs().median()
        assets = assets[spread[assets] > 0]
        relative = ((daily[assets] - usual[assets]) / spread[assets]).to_numpy(np.float64)
        fleet = _medians(relative.T)
        own = relative - fleet[:, None]
        persistence = _persistence(own[days < reference_end])
        yield Deviations(str(channel), days, tuple(map(str, assets)), fleet, own, persistence)


def asset_shifts(
    channels: Sequence[Deviations], reference_end: pd.Timestamp, rule: LevelShiftRule
) -> tuple[LevelShift, ...]:
    """Find shifts of single assets after the reference period, by channel and asset.

    The height's standard error is that of the difference of two medians of so many days, widened for days that are
    alike; its p-value is multiplied by the days that the shift could have come on. With the Benjamini-Hochberg
    procedure [1]_ over assets and channels. A shift that most assets take together is in the fleet's median, and so in
    none of them.

    References
    ----------
    .. [1] Y. Benjamini, Y. Hochberg, "Controlling the false discovery rate", JRSS-B 57 (1995) 289-300.
    """
    from scipy.stats import false_discovery_control

    tests = sum(len(each.assets) for each in channels)
    candidates = [
        shift
        for each in channels
        for number in _moved(each, rule)
        if (
            shift := _sharpest_shift(
                each, each.own[:, number], each.assets[number], 1.0, rule.step_size, reference_end, rule
            )
        )
    ]
    # An asset that did not move at all counts as a test all the same.
    p_values = np.ones(max(tests, 1))
    p_values[: len(candidates)] = [shift.p_value for shift in candidates]
    adjusted = false_discovery_control(p_values)[: len(candidates)]
    kept = [shift for shift, value in zip(candidates, adjusted, strict=True) if value <= rule.false_discovery]
    return tuple(sorted(kept, key=lambda shift: (shift.channel, str(shift.asset))))


def fleet_shifts(
    channels: Sequence[Deviations], reference_end: pd.Timestamp, rule: LevelShiftRule
) -> tuple[LevelShift, ...]:
    """Find the fleet's shifts after the reference period, at most one a channel.

    Half of the assets must have moved by the declared size and three quarters by half of it, all in one direction.
    """
    shifts = []
    for each in channels:
        changes = np.diff(each.fleet[each.days < reference_end])
        # From day to day, so that the seasons are not taken for noise.
        noise = (
            _SPREAD_OF_MAD * float(np.nanmedian(np.abs(changes))) / np.sqrt(2) if np.isfinite(changes).any() else np.nan
        )
        shift = _sharpest_shift(each, each.fleet, None, max(noise, 1e-12), rule.fleet_step_size, reference_end, rule)
        if shift is None or shift.p_value * len(channels) > rule.false_discovery:
            continue
        # The median of daily levels moves with a third of the assets; the lower quartile of their shifts does not.
        at = dict.fromkeys(each.assets, shift.since)
        heights = heights_at(replace(each, own=each.own + each.fleet[:, None]), at, rule) * np.sign(shift.height)
        known = heights[np.isfinite(heights)]
        smallest = rule.fleet_step_size
        if len(known) and np.quantile(known, 0.25) >= smallest / 2 and np.median(known) >= smallest:
            shifts.append(replace(shift, height=float(np.sign(shift.height) * np.median(known))))
    return tuple(shifts)


def heights_at(channel: Deviations, times: dict[str, pd.Timestamp], rule: LevelShiftRule) -> Floats:
    """Return by how much assets' levels rose at a time of each one's own, (n_times,) in standard deviations.

    NaN where fewer than three days are on one side, or the asset has no level in the reference period.
    """
    columns = {asset: column for column, asset in enumerate(channel.assets)}
    heights = np.full(len(times), np.nan)
    for place, (asset, time) in enumerate(times.items()):
        if asset in columns:
            day = int(channel.days.searchsorted(time.floor("D")))
            values = channel.own[:, columns[asset]]
            # The day itself is part before and part after.
            before, after = values[max(day - rule.step_days, 0) : day], values[day + 1 : day + 1 + rule.step_days]
            if min(np.isfinite(before).sum(), np.isfinite(after).sum()) >= 3:
                heights[place] = np.nanmedian(after) - np.nanmedian(before)
    return heights


def _moved(channel: Deviations, rule: LevelShiftRule) -> npt.NDArray[np.int64]:
    """Return the columns of assets whose level is off by the declared size now: only these are worth a search."""
    return np.flatnonzero(np.abs(_medians(channel.own[-rule.step_days :])) >= rule.step_size * rule.even)


def _sharpest_shift(
    channel: Deviations,
    values: Floats,
    asset: str | None,
    noise: float,
    size: float,
    reference_end: pd.Timestamp,
    rule: LevelShiftRule,
) -> LevelShift | None:
    """Find the sharpest lasting shift of a series, (n_days,), after the reference period."""
    from scipy.stats import norm

    ahead, back = pd.Series(values), pd.Series(values[::-1])
    half = (rule.step_days + 1) // 2
    before = ahead.rolling(rule.step_days, min_periods=half).median().shift(1).to_numpy()
    after = back.rolling(rule.step_days, min_periods=half).median().to_numpy()[::-1]
    few, most = (rule.sharp_days + 1) // 2, rule.sharp_days
    next_days = back.rolling(most, min_periods=few).median().to_numpy()[::-1]
    sharp = next_days - ahead.rolling(most, min_periods=few).median().shift(1).to_numpy()
    since_then = back.expanding().median().to_numpy()[::-1]
    sign = np.sign(since_then)
    height = sign * since_then
    lasting = np.minimum.reduce([sign * (after - before), sign * sharp, _weakest_week(values, sign)])
    possible = (channel.days >= reference_end) & (np.arange(len(values)) <= len(values) - rule.step_days)
    good = possible & (height >= size) & (lasting >= rule.even * height)
    if not good.any():
        return None
    place = int(np.argmax(np.where(good, sign * (after - before), -np.inf)))
    sides = values[max(place - rule.step_days, 0) : place], values[place : place + rule.step_days]
    days = [np.isfinite(side).sum() for side in sides]
    widened = np.sqrt((1 + channel.persistence) / (1 - channel.persistence)) if asset is not None else 1.0
    error = noise * widened * _SPREAD_OF_MEDIAN * np.sqrt(sum(1 / count for count in days))
    p_value = min(2 * norm.sf(abs(after[place] - before[place]) / error) * int(possible.sum()), 1.0)
    return LevelShift(asset, channel.channel, channel.days[place], float(sign[place] * height[place]), float(p_value))


def _weakest_week(values: Floats, sign: Floats) -> Floats:
    """Return for each day the lowest weekly level, in the shift's direction, of the weeks that begin from it on."""
    weekly = pd.Series(values).rolling(7, min_periods=3).median()
    low, high = (weekly[::-1].cummin()[::-1].shift(-6), weekly[::-1].cummax()[::-1].shift(-6))
    return np.asarray(np.where(sign > 0, low, -high))


def _persistence(own: Floats) -> float:
    today, tomorrow = own[:-1].ravel(), own[1:].ravel()
    both = np.isfinite(today) & np.isfinite(tomorrow)
    if both.sum() < 3:
        return 0.0
    # By ranks, so that the few worn assets do not dominate.
    correlation = np.corrcoef(today[both].argsort().argsort(), tomorrow[both].argsort().argsort())[0, 1]
    return float(np.clip(correlation, 0.0, 0.9))


def _medians(values: Floats) -> Floats:
    """Return the medians of columns, NaN left aside, without numpy's warning for columns of nothing else."""
    return np.asarray(pd.DataFrame(values).median(), dtype=np.float64)
