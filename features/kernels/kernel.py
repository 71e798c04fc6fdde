"""Kernels: one calculator of tsfresh for a whole block of series."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from features.kernels.block import Block, BoolArray, FloatArray

Parameters = Mapping[str, Any]


def _nothing(_parameters: Sequence[Parameters], _samples: int) -> None:
    return None


def _anything(_parameters: Parameters) -> bool:
    return True


@dataclass(frozen=True)
class Kernel:
    """One calculator, for a block of finite series and several sets of parameters.

    `compute` takes the block, the tables that `prepare` built, and an array (n_parameters, n_series) to fill. It
    returns flags (n_series,) of doubtful series, or None if there are none: those are recomputed by tsfresh's own
    function, so a kernel never has to guess.

    `prepare` turns the parameters and the number of samples into what `compute` needs only once, not for every block:
    arrays of parameters, wavelets, logarithms. It must not depend on the data.

    `supports` is false for parameters the kernel cannot compute; those go through tsfresh.
    """

    compute: Callable[[Block, Any, FloatArray], BoolArray | None]
    prepare: Callable[[Sequence[Parameters], int], Any] = _nothing
    supports: Callable[[Parameters], bool] = _anything


def plain(compute: Callable[[Block], FloatArray]) -> Kernel:
    """Make a kernel of a calculator that has no parameters and is never doubtful."""

    def fill(block: Block, _tables: None, out: FloatArray) -> None:
        out[:] = compute(block)

    return Kernel(fill)
