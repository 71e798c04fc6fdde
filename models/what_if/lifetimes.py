"""Lifetimes of parts, fitted to recorded failures and renewals: Weibull, by failure mode.

A spell begins when a part was renewed, by a repair, an inspection that found a defect or routine work, and ends in its
failure or censored: at the next renewal or the end of the record. What ran before the first renewal has no known age
and is left out, except where too few spells remain: then lives are taken as exponential, and all the time counts.

References
----------
W. Q. Meeker & L. A. Escobar, *Statistical Methods for Reliability Data* (1998), chapter 8 (the Weibull likelihood with
right-censored lives).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Vector = npt.NDArray[np.float64]
FEWEST = 8
"""From so many failures on the shape of a mode's lifetimes is fitted too."""
_SHAPES = (0.4, 8.0)
_STEPS = 40
_HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class Spells:
    """The lives of one mode's parts, as far as they were seen."""

    mode: str
    assets: npt.NDArray[np.int64]  # the number of the asset of each, shape (n,)
    hours: Vector  # (n,)
    failed: Vector  # (n,), 1 for a failure and 0 for a censored life
    exposure: Vector  # hours watched in all, and failures in them, of each asset, shape (n_assets,)
    failures: Vector
    renewals: Vector  # by routine work, of each asset


@dataclass(frozen=True)
class Lifetimes:
    """Weibull lifetimes of one mode in each of several draws, shape (n_draws,); infinite where nothing failed."""

    scale: Vector
    shape: Vector
    fitted: bool  # whether the shape was fitted; 1 otherwise


def spells_of(
    mode: str, events: pd.DataFrame, assets: tuple[str, ...], span: tuple[pd.Timestamp, pd.Timestamp]
) -> Spells:
    """Return the lives of a mode's parts; `events` has asset, event_time and failed: false for other renewals."""
    start, end = span
    number = {asset: place for place, asset in enumerate(assets)}
    rows, totals, renewals = [], np.zeros(len(assets)), np.zeros(len(assets))
    inside = events[(events["event_time"] > start) & (events["event_time"] <= end) & events["asset"].isin(number)]
    for asset, own in inside.sort_values("event_time").groupby("asset"):
        place, times = number[str(asset)], [*own["event_time"], end]
        ends = [*own["failed"].tolist()[1:], False]
        totals[place], renewals[place] = own["failed"].sum(), own["routine"].sum()
        rows += [
            (place, (later - began) / _HOUR, float(failed))
            for began, later, failed in zip(times[:-1], times[1:], ends, strict=True)
            if later > began
        ]
    made = np.array(rows, dtype=np.float64).reshape(-1, 3)
    exposure = np.full(len(assets), (end - start) / _HOUR)
    return Spells(mode, made[:, 0].astype(np.int64), made[:, 1], made[:, 2], exposure, totals, renewals)


def fit_lifetimes(spells: Spells, weights: Vector) -> Lifetimes:
    """Fit lifetimes by maximum likelihood, once a draw; `weights` say how often each draw has each asset.

    Examples
    --------
    >>> hours = 1000 * np.random.default_rng(0).weibull(2.0, 400)
    >>> each = np.arange(400)
    >>> none = np.zeros(400)
    >>> spells = Spells("bearing", each, hours, none + 1, hours, none + 1, none)
    >>> fitted = fit_lifetimes(spells, np.ones((1, 400)))
    >>> bool(abs(fitted.shape[0] - 2) < 0.2), bool(abs(fitted.scale[0] - 1000) < 100)
    (True, True)
    """
    by_spell = weights[:, spells.assets]
    failures = by_spell @ spells.failed if len(spells.hours) else np.zeros(len(weights))
    if not len(failures) or failures.min() < FEWEST:
        total = weights @ spells.failures
        rate = np.divide(weights @ spells.exposure, total, out=np.full(len(weights), np.inf), where=total > 0)
        return Lifetimes(rate, np.ones(len(weights)), fitted=False)
    logs = np.log(spells.hours)
    mean_log = by_spell @ (spells.failed * logs) / failures
    low, high = (np.full(len(weights), end) for end in _SHAPES)
    for _ in range(_STEPS):
        shape = (low + high) / 2
        # Relative to the longest life, so that no power overflows.
        powers = by_spell * np.exp(shape[:, None] * (logs - logs.max()))
        excess = powers @ logs / powers.sum(axis=1) - 1 / shape - mean_log
        low, high = np.where(excess < 0, shape, low), np.where(excess < 0, high, shape)
    powers = by_spell * np.exp(shape[:, None] * (logs - logs.max()))
    return Lifetimes(np.exp(logs.max()) * (powers.sum(axis=1) / failures) ** (1 / shape), shape, fitted=True)
