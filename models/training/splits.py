"""Splits of samples into training and test sets, without leakage of outcomes between them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError

Rows = npt.NDArray[np.bool_]
_FOLDS = 10
_FEWEST_FOLDS = 2


@dataclass(frozen=True)
class Split:
    """Masks over the cut-offs, shape (n_cut_offs,); no row is in both, and purged rows are in neither."""

    train: Rows
    test: Rows


def by_time(
    cut_offs: pd.DataFrame,
    test_start: pd.Timestamp,
    purge: pd.Timedelta,
    *,
    test_end: pd.Timestamp | None = None,
) -> Split:
    """Train where as_of + purge < test_start, and test where test_start <= as_of < test_end.

    The purge is how far a label looks ahead (lead + horizon): no training label reaches into the test period.

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
    """Test on the assets that match a glob pattern, or on a random share of them, and train on all others."""
    assets = np.unique(cut_offs["asset"].to_numpy(dtype=object).astype(str))
    if share is not None:
        chosen = set(np.random.default_rng(seed).permutation(assets)[: max(1, round(share * len(assets)))])
    else:
        chosen = {asset for asset in assets if any(fnmatchcase(asset, pattern) for pattern in patterns)}
    if not chosen or len(chosen) == len(assets):
        raise UsageError(
            f"{' and '.join(map(repr, patterns)) or share} takes {len(chosen)} of {len(assets)} assets for the test",
            "some assets to train on and others to test on",
            f"Choose other patterns; the first asset is {str(assets[0])!r}" if len(assets) else "Import data first",
        )
    test = cut_offs["asset"].isin(chosen).to_numpy(dtype=np.bool_)
    return Split(~test, test)


def asset_folds(
    assets: Iterable[str], failed: Iterable[str], n_folds: int | None, seed: int
) -> tuple[tuple[str, ...], ...]:
    """Divide assets into folds at random, those that failed spread evenly; at most one fold an asset.

    Ten folds by default, or one for each of fewer assets.

    Examples
    --------
    >>> [len(fold) for fold in asset_folds(["a", "b", "c", "d", "e"], ["a", "e"], 2, seed=0)]
    [3, 2]
    """
    names, failures = sorted(set(map(str, assets))), set(map(str, failed))
    if len(names) < _FEWEST_FOLDS:
        raise UsageError(
            f"there are training samples of {len(names)} asset{'' if len(names) == 1 else 's'}",
            "at least two assets to cross-validate over",
            "Split by time, or import data of more assets",
        )
    drawn = [names[place] for place in np.random.default_rng(seed).permutation(len(names))]
    dealt = sorted(drawn, key=lambda name: name not in failures)
    folds = min(n_folds or _FOLDS, len(names))
    return tuple(tuple(dealt[number::folds]) for number in range(folds))
