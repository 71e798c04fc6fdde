"""Which columns are worth keeping, judged on training data alone."""

import hashlib

import numpy as np
import pandas as pd


def informative_columns(features: pd.DataFrame) -> tuple[str, ...]:
    """Leave out columns that say nothing: all null, constant, or a copy of an earlier column.

    Parameters
    ----------
    features
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
        # Null in some rows and one value in the others still tells the two apart.
        constant = len(present) == 0 or (len(present) == len(values) and bool((present == present[0]).all()))
        digest = hashlib.sha256((values + 0.0).tobytes()).digest()
        if constant or digest in seen:
            continue
        seen.add(digest)
        kept.append(str(column))
    return tuple(kept)
