"""Contiguous blocks of time that are held out in turn, with a purge on either side.

Windows that overlap hold the same readings, and neighbours resemble each other beyond that. A limit chosen on the rows
that a detector was fitted to, or on rows drawn among them, is therefore far too low.

References
----------
Roberts et al., "Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic structure",
Ecography 40 (2017), doi:10.1111/ecog.02881. Bergmeir, Hyndman & Koo, "A note on the validity of cross-validation for
evaluating autoregressive time series prediction", CSDA 120 (2018), doi:10.1016/j.csda.2017.11.003.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.bool_]
Times = npt.NDArray[np.float64]

N_BLOCKS = 5


def block_numbers(times: Times, n_blocks: int = N_BLOCKS) -> npt.NDArray[np.intp]:
    """Return the number, from 0, of the contiguous block of equal length that each of n times lies in.

    >>> block_numbers(np.arange(10.0), 5)
    array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    """
    edges = np.linspace(times.min(), times.max(), n_blocks + 1)[1:-1]
    return np.searchsorted(edges, times, side="right")


def held_out_blocks(times: Times, purge: float, n_blocks: int = N_BLOCKS) -> Iterator[tuple[Rows, Rows]]:
    """Yield masks (n,) of the rows to fit to and of the rows held out, block by block.

    Rows nearer than the purge (in the unit of the times) to a held-out row are in neither. Blocks without a row, and
    those that leave nothing to fit to, are passed over.
    """
    numbers = block_numbers(times, n_blocks)
    for number in np.unique(numbers):
        held_out = numbers == number
        first, last = times[held_out].min(), times[held_out].max()
        fitted = (times < first - purge) | (times > last + purge)
        if fitted.any():
            yield fitted, held_out
