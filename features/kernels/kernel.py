"""What a kernel is: one calculator of tsfresh for a whole block of series."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from features.kernels.block import Block, BoolArray, FloatArray

Parameters = Mapping[str, Any]


def _nothing(_wanted: Sequence[Parameters], _samples: int) -> None:
    return None


def _anything(_parameters: Parameters) -> bool:
    return True


@dataclass(frozen=True)
class Kernel:
    """Compute one calculator on a block for every wanted set of parameters.

    Parameters
    ----------
    compute
        Takes the block, the tables that `prepare` made, and an array (n_wanted, n_series) to fill. Returns flags
        (n_series,) of the series it is not sure of, or None when it is sure of all: those are computed again by
        tsfresh's own function, so a kernel never has to guess. Every series it gets is finite.
    prepare
        From the wanted parameters and the number of samples to whatever `compute` wants to have once, not for
        every block: arrays of parameters, wavelets, logarithms. Must not depend on the data.
    supports
        Whether a set of parameters can be computed here; others go through tsfresh.
    """

    compute: Callable[[Block, Any, FloatArray], BoolArray | None]
    prepare: Callable[[Sequence[Parameters], int], Any] = _nothing
    supports: Callable[[Parameters], bool] = _anything


def plain(compute: Callable[[Block], FloatArray]) -> Kernel:
    """Make a kernel of a calculator without parameters that is always sure.

    Parameters
    ----------
    compute
        From the block to one value a series.

    Returns
    -------
    Kernel
    """

    def fill(block: Block, _tables: None, out: FloatArray) -> None:
        out[:] = compute(block)

    return Kernel(fill)
