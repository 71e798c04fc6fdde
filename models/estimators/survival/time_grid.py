"""The times that a survival function is kept at, and lives rounded to them.

A life that ends between two times ends at the later one, and one that is cut off between them has survived the earlier
one: what is known is never more than what was observed (Tutz & Schmid, *Modeling Discrete Time-to-Event Data*, 2016,
section 3.1).
"""

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]


def time_grid(hours: Vector, failed: Rows, ends: Vector, n_times: int) -> Vector:
    """Return ascending times above zero: the `ends`, and up to the last of them quantiles of the times of failures.

    Without ends, the longest life that ended in a failure is the last.
    """
    events = hours[failed & (hours > 0.0)]
    last = ends[-1] if len(ends) else events.max(initial=1.0)
    inside = events[events < last]
    # Times that were observed, not values between them, so that the same lives give the same grid.
    shares = np.linspace(0.0, 1.0, n_times + 1)[1:-1]
    between = np.quantile(inside, shares, method="higher") if len(inside) else np.empty(0)
    return np.unique(np.concatenate([between, ends, [last]]))


def round_lives(hours: Vector, failed: Rows, grid: Vector) -> tuple[Vector, Rows]:
    """Round lives (n,) to a grid; those that outlived it are cut off at its last time, others may be cut off at 0.

    Examples
    --------
    >>> hours, failed = round_lives(np.array([5.0, 5.0, 99.0]), np.array([True, False, True]), np.array([4.0, 8.0]))
    >>> hours.tolist(), failed.tolist()
    ([8.0, 4.0, 8.0], [True, False, False])
    """
    times = np.concatenate([[0.0], grid])
    outlived = hours > grid[-1]
    up = np.searchsorted(grid, np.minimum(hours, grid[-1]), side="left")
    down = np.searchsorted(grid, hours, side="right")
    fails = failed & ~outlived
    return np.where(fails, grid[up], times[down]), fails
