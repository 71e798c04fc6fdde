"""Limits at a declared rate of false alarms, from the highest score of each block that was held out.

One block of an asset is one trial: its scores resemble each other, so that an alarm lasts, and what counts is whether
its highest score is beyond the limit. With enough blocks the limit is one of their highest scores (as in conformal
prediction); with fewer it is a prediction limit for the highest score of the next block.

References
----------
Vovk, Gammerman & Shafer, *Algorithmic Learning in a Random World* (2005), section 2.2 (the rank among exchangeable
blocks). Hahn & Meeker, *Statistical Intervals* (1991), section 4.8 (the prediction limit of a further observation).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BlockedLimit:
    """A limit that a healthy block's highest score exceeds with the declared chance."""

    value: float
    chance: float  # that the highest score of a healthy block is beyond it
    blocks: int
    extrapolated: bool  # whether it lies beyond what that many blocks show, by their mean and deviation


def blocked_limit(highest: Vector, chance: float) -> BlockedLimit:
    """Choose the limit by the highest scores of held-out blocks (n_blocks,), on a scale where they are roughly normal.

    >>> blocked_limit(np.arange(19.0), 0.05).value
    18.0
    """
    ordered = np.sort(highest)
    rank = math.ceil((1.0 - chance) * (len(ordered) + 1) - 1e-9)
    if rank <= len(ordered):
        return BlockedLimit(float(ordered[rank - 1]), chance, len(ordered), False)
    if len(ordered) < 2:
        return BlockedLimit(math.inf, chance, len(ordered), True)
    width = stats.t.isf(chance, len(ordered) - 1) * math.sqrt(1.0 + 1.0 / len(ordered))
    value = float(ordered.mean() + width * ordered.std(ddof=1))
    return BlockedLimit(max(value, float(ordered[-1])), chance, len(ordered), True)


def chance_of_block(alarms_per_asset_month: float, months: float) -> float:
    """Return the chance of an alarm in a block of so many asset-months, if alarms come at random at a rate."""
    return -math.expm1(-alarms_per_asset_month * months)


def running_median(scores: Vector, width: int) -> Vector:
    """Return the median of each score and the `width` - 1 before it, so that one odd score is no alarm.

    >>> running_median(np.array([0.0, 9.0, 0.0, 1.0]), 3)
    array([0., 0., 0., 1.])
    """
    padded = np.concatenate([np.repeat(scores[:1], width - 1), scores])
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=-1))
