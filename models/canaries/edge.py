"""Columns that know the horizon: they jump exactly where the label begins, which only the label knows.

How long before a failure "within 24 hours" begins is a choice of whoever wrote the experiment. A machine does not know
it: whatever announces its failure begins earlier or later from failure to failure. A column made from the outcome
begins to move there in every failure. The steps before and after the edge are the comparison, as the placebo
thresholds of a regression discontinuity design.

References
----------
Imbens & Lemieux, "Regression discontinuity designs: a guide to practice", Journal of Econometrics 142 (2008), section
7 (placebo thresholds), doi:10.1016/j.jeconom.2007.05.001.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from models.canaries.cut_offs import BEFORE, STEPS
from models.canaries.report import LEAK, Finding

FEWEST = 6
"""Failures in which a column moves at all, below which nothing is said of it."""
_SHARE = 0.8
_ERROR = 0.001
# A column begins to move with the first step of half its largest; those before must be small beside that. What merely
# grows has no such beginning.
_BEGINS, _BEFORE = 0.5, 0.35
_NAMED = 3


def edge_findings(x: npt.NDArray[np.float64], columns: Sequence[str], horizon: str) -> Iterator[Finding]:
    """Test each column at the edge; `x` is (n_failures, STEPS + 1, n_columns)."""
    found = []
    for number, name in enumerate(columns):
        jumps, total = count_jumps(x[:, :, number])
        error = binom.sf(jumps - 1, total, 1.0 / STEPS) * len(columns)
        if total >= FEWEST and jumps >= _SHARE * total and error < _ERROR:
            found.append((jumps, total, name))
    if found:
        found.sort(key=lambda each: -each[0])
        names = [name for _, _, name in found]
        jumps, total, _ = found[0]
        more = f" (and {len(names) - _NAMED} more)" if len(names) > _NAMED else ""
        words = (
            f"{', '.join(names[:_NAMED])}{more} began to move exactly {horizon} before the failure, where the label "
        )
        words += f"begins, in {jumps} of the {total} failures around which it moves: only the outcome knows that time"
        yield Finding("edge", LEAK, words, tuple(names))


def count_jumps(values: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Count the failures in which a column begins to move at the edge, and those in which it moves at all.

    `values` of one column are (n_failures, STEPS + 1); step number `BEFORE` crosses the edge. A value that comes or
    goes missing moves.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return 0, 0
    span = float(np.ptp(known))
    filled = np.where(np.isnan(values), known.min() - max(span, 1.0), values)
    steps = np.abs(np.diff(filled, axis=1))
    largest = steps.max(axis=1)
    moves = largest > 1e-9 * max(span, 1e-300)
    begins = (steps >= _BEGINS * largest[:, None]).argmax(axis=1)
    quiet = steps[:, :BEFORE].max(axis=1) <= _BEFORE * largest
    return int((moves & quiet & (begins == BEFORE)).sum()), int(moves.sum())
