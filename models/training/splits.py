"""Parting samples into those to learn from and those to be judged on, so that neither sees the other's outcome."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError

Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """Which samples to learn from, and which to be judged on.

    Parameters
    ----------
    train, test
        Masks over the cut-offs, shape (n_cut_offs,); no row is in both, and purged rows are in neither.
    """

    train: Rows
    test: Rows


def by_time(
    cut_offs: pd.DataFrame,
    test_start: pd.Timestamp,
    purge: pd.Timedelta,
    *,
    test_end: pd.Timestamp | None = None,
) -> Split:
    """Learn from the past, be judged on what came later.

    Parameters
    ----------
    cut_offs
        Column ``as_of`` (UTC).
    test_start
        The first cut-off to be judged on.
    purge
        How far a label looks ahead (lead + horizon): cut-offs whose label reaches `test_start` are left out.
    test_end
        The first time no longer judged; the end of the data when not given.

    Returns
    -------
    Split
        Train where as_of + purge < test_start, test where test_start <= as_of < test_end.

    References
    ----------
    Lopez de Prado, *Advances in Financial Machine Learning* (2018), section 7.4 (purging).
    """
    as_of = cut_offs["as_of"]
    test = as_of >= test_start
    if test_end is not None:
        test &= as_of < test_end
    return Split(np.asarray(as_of + purge < test_start, dtype=np.bool_), np.asarray(test, dtype=np.bool_))


def by_asset(
    cut_offs: pd.DataFrame,
    patterns: Sequence[str] = (),
    *,
    share: float | None = None,
    seed: int = 0,
) -> Split:
    """Learn from some assets, be judged on others.

    Parameters
    ----------
    cut_offs
        Column ``asset``.
    patterns
        Glob patterns of the assets to be judged on, such as ``"FD001-test-*"``.
    share
        In place of patterns: the share of the assets to be judged on, drawn by `seed`.
    seed
        The seed of that draw.

    Returns
    -------
    Split
        No asset is on both sides.

    Raises
    ------
    UsageError
        If the patterns match no asset, or all of them.
    """
    assets = np.unique(cut_offs["asset"].to_numpy(dtype=object).astype(str))
    if share is not None:
        chosen = set(np.random.default_rng(seed).permutation(assets)[: max(1, round(share * len(assets)))])
    else:
        chosen = {asset for asset in assets if any(fnmatchcase(asset, pattern) for pattern in patterns)}
    if not chosen or len(chosen) == len(assets):
        raise UsageError(
            f"{' and '.join(map(repr, patterns)) or share} takes {len(chosen)} of {len(assets)} assets for the test",
            "some assets to learn from and others to be judged on",
            f"Choose other patterns; the first asset is {str(assets[0])!r}" if len(assets) else "Import data first",
        )
    test = cut_offs["asset"].isin(chosen).to_numpy(dtype=np.bool_)
    return Split(~test, test)
