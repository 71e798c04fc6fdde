"""What a kernel is: one calculator of tsfresh for a whole block of series."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from features.kernels.block import Block, FloatArray

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Kernel:
    """Compute one calculator on a block for every wanted set of parameters.

    Parameters
    ----------
    compute
        From the block and the parameter sets to one (n,) array for each set.
    finite_only
        Whether series with NaN or infinity are left to tsfresh's own function.
    """

    compute: Callable[[Block, Sequence[Parameters]], Sequence[FloatArray]]
    finite_only: bool = True


def plain(compute: Callable[[Block], FloatArray], *, finite_only: bool = True) -> Kernel:
    """Make a kernel of a calculator without parameters.

    Parameters
    ----------
    compute
        From the block to one value a series.
    finite_only
        As in `Kernel`.

    Returns
    -------
    Kernel
    """
    return Kernel(lambda block, wanted: [compute(block)] * len(wanted), finite_only)


def each(compute: Callable[..., FloatArray], *, finite_only: bool = True) -> Kernel:
    """Make a kernel of a calculator that takes its parameters as keywords, one call for each set of them.

    Parameters
    ----------
    compute
        From the block and the parameters to one value a series.
    finite_only
        As in `Kernel`.

    Returns
    -------
    Kernel
    """
    return Kernel(lambda block, wanted: [compute(block, **parameters) for parameters in wanted], finite_only)
