"""Column selection on training data: drop uninformative columns, rank the rest."""

import hashlib

import numpy as np
import numpy.typing as npt
import pandas as pd


def informative_columns(features: pd.DataFrame) -> tuple[str, ...]:
    """Drop columns that are all null, constant, or a copy of an earlier column.

    Parameters
    ----------
    features : (n_rows, n_columns)
        The training rows' features, float64.

    Returns
    -------
    tuple of str
        The columns that stay, in order.

    Examples
    --------
    >>> informative_columns(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 3.0], "c": [1.0, 2.0]}))
    ('a',)
    """
    kept, seen = [], set()
    for column in features.columns:
        values = np.ascontiguousarray(features[column].to_numpy(np.float64))
        present = values[~np.isnan(values)]
        # Null in some rows and one value in the others still distinguishes the two.
        constant = len(present) == 0 or (len(present) == len(values) and bool((present == present[0]).all()))
        digest = hashlib.sha256((values + 0.0).tobytes()).digest()
        if constant or digest in seen:
            continue
        seen.add(digest)
        kept.append(str(column))
    return tuple(kept)


def most_related(features: pd.DataFrame, target: npt.NDArray[np.float64], n: int) -> tuple[str, ...]:
    """Name the n columns most related to the target (n_rows,), each by itself, in their old order.

    The measure is the absolute value of Spearman's rank correlation over the rows that have a value, times the square
    root of their share, as a column of few values has little evidence. Ties go to the earlier column. Spearman (1904),
    "The proof and measurement of association between two things", doi:10.2307/1412159; Christ et al. (2018), "Time
    series feature extraction on basis of scalable hypothesis tests", section 2.3, filter columns in this way.

    >>> features = pd.DataFrame({"noise": [1.0, 3.0, 0.0, 2.0], "cube": [1.0, 8.0, 27.0, 64.0]})
    >>> most_related(features, np.array([1.0, 2.0, 3.0, 4.0]), 1)
    ('cube',)
    """
    if n >= features.shape[1]:
        return tuple(map(str, features.columns))
    related = np.array([_rank_correlation(features[column].to_numpy(np.float64), target) for column in features])
    best = np.sort(np.argsort(-related, kind="stable")[:n])
    return tuple(str(features.columns[place]) for place in best)


def _rank_correlation(values: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> float:
    present = ~np.isnan(values)
    if present.sum() < 3:
        return 0.0
    # Infinity has a rank like any other value.
    ranks = pd.Series(values[present]).rank().to_numpy()
    others = pd.Series(target[present]).rank().to_numpy()
    spread = float(ranks.std() * others.std())
    if spread == 0:
        return 0.0
    covariance = float(np.mean((ranks - ranks.mean()) * (others - others.mean())))
    return abs(covariance / spread) * float(np.sqrt(present.mean()))
