"""From a block of series of one length to their features: by kernel where there is one, else by tsfresh itself."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from features.kernels.block import Block
from features.kernels.registry import KERNELS
from features.names import parse_feature
from features.tsfresh_calculators import calculate_by_tsfresh, say_slow


def calculate(values: npt.NDArray[np.float64], features: Sequence[str]) -> npt.NDArray[np.float64]:
    """Compute features of series of one length.

    A row's values depend on that row alone, bit for bit, whatever else is in the block.

    Parameters
    ----------
    values : (n, samples)
        One series a row.
    features
        Names without the kind.

    Returns
    -------
    (n, len(features)) array
        NaN throughout when there are no samples.
    """
    result = np.full((len(values), len(features)), np.nan)
    if result.size == 0 or values.shape[1] == 0:
        return result
    block = Block(values)
    slow: dict[str, list[int]] = {}
    with np.errstate(all="ignore"):
        for calculator, positions in _by_calculator(features).items():
            if calculator in KERNELS:
                _by_kernel(block, features, calculator, positions, result)
            else:
                slow[calculator] = positions
    if slow:
        say_slow(frozenset(slow))
        columns = sorted(position for positions in slow.values() for position in positions)
        result[:, columns] = calculate_by_tsfresh(block.series, [features[column] for column in columns])
    return result


def slow_calculators(features: Sequence[str]) -> tuple[str, ...]:
    """Name the calculators that have no kernel and run through tsfresh, hundreds of times slower.

    Parameters
    ----------
    features
        Names without the kind.

    Returns
    -------
    tuple of str
    """
    return tuple(calculator for calculator in _by_calculator(features) if calculator not in KERNELS)


def _by_calculator(features: Sequence[str]) -> dict[str, list[int]]:
    positions: dict[str, list[int]] = {}
    for position, feature in enumerate(features):
        positions.setdefault(feature.split("__", 1)[0], []).append(position)
    return positions


def _by_kernel(
    block: Block, features: Sequence[str], calculator: str, positions: list[int], result: npt.NDArray[np.float64]
) -> None:
    kernel = KERNELS[calculator]
    names = [features[position] for position in positions]
    values = kernel.compute(block, [parse_feature(name)[1] for name in names])
    for position, column in zip(positions, values, strict=True):
        result[:, position] = column
    if kernel.finite_only and not block.finite.all():
        refused = np.flatnonzero(~block.finite)
        result[refused[:, None], positions] = calculate_by_tsfresh(block.series[refused], names)
