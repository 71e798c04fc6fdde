"""Yardsticks: what small models reach with a shuffled target, random columns, names, times, or a peek."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.canaries.report import LEAK, SUSPICION, Finding
from models.canaries.small_model import Matrix, Rows, binned, fit_small, predict_small, score, score_folds

PERMUTATIONS = 19
"""As many as a p-value of 0.05 takes (Ojala & Garriga 2010, section 2.2: (1 + number as good) / (1 + number))."""
_RANDOM_COLUMNS = 3
_FOLDS = 3
# How far above chance a shuffled target may score: by its own scatter, and at all.
_SCATTER, _ABOVE_CHANCE = 4.0, 0.05
# Skill that is mostly the asset's name: what is left of it on other assets, and what the name alone reaches.
_LEFT, _BY_NAME = 0.25, 0.8
_SKILL = 0.15
_DAY = pd.Timedelta("1D")


@dataclass(frozen=True)
class Probe:
    """Labelled samples with the model's features."""

    asset: npt.NDArray[np.str_]
    as_of: "pd.Series[pd.Timestamp]"
    x: Matrix
    y: Matrix
    judge: Rows
    binary: bool
    seed: int

    @property
    def chance(self) -> float:
        """Return what knowing nothing scores."""
        return 0.5 if self.binary else 0.0

    def scores(self, x: Matrix, targets: Iterable[Matrix] | None = None) -> list[float]:
        """Score small models of the samples to learn from on those that judge, by one target (the true one) or more."""
        learn, judge = ~self.judge, self.judge
        data, scores = binned(x[learn]), []
        for y in (self.y,) if targets is None else targets:
            if np.ptp(y[learn]) == 0:
                scores.append(float("nan"))
                continue
            model = fit_small(data, y[learn], binary=self.binary, seed=self.seed)
            scores.append(score(y[judge], predict_small(model, x[judge]), binary=self.binary))
        return scores

    def score(self, x: Matrix) -> float:
        """Score a small model of some columns by the true target."""
        return self.scores(x)[0]


def measure(probe: Probe, peek: Matrix, purge: pd.Timedelta) -> dict[str, float]:
    """Return the figures by name, without those that cannot be computed; `peek` has the features one horizon later."""
    real = probe.score(probe.x)
    shuffled = probe.scores(probe.x, shuffled_targets(probe))
    known = np.array([value for value in shuffled if not np.isnan(value)])
    figures = {
        "chance": probe.chance,
        "small_model": real,
        "shuffled_mean": float(known.mean()) if len(known) else float("nan"),
        "shuffled_error": float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else float("nan"),
        "permutations": float(len(known)),
        "p_value": (1 + float((known >= real).sum())) / (1 + len(known)) if len(known) else float("nan"),
        "asset_alone": score(probe.y[probe.judge], _by_asset(probe), binary=probe.binary),
        "time_alone": probe.score(_times(probe)),
        "peek": probe.score(np.hstack([probe.x, peek])),
        **_apart(probe, purge),
        **_random_columns(probe),
    }
    return {name: value for name, value in figures.items() if not np.isnan(value)}


def judge_figures(figures: dict[str, float]) -> Iterator[Finding]:
    """Say what the figures give away."""
    chance, shuffled = figures["chance"], figures.get("shuffled_mean", np.nan)
    if shuffled - chance > max(_ABOVE_CHANCE, _SCATTER * figures.get("shuffled_error", np.inf)):
        words = f"with a shuffled target it still scores {shuffled:.3f} where chance is {chance:g}"
        yield Finding("shuffled", LEAK, words + ": what it is tested on was learned from")
    skill, by_name = figures.get("small_model", chance) - chance, figures.get("asset_alone", chance) - chance
    if "assets_apart" not in figures or skill < _SKILL:
        return
    left = figures["assets_apart"] - chance
    if left < _LEFT * skill and by_name > _BY_NAME * skill:
        words = f"it knows assets rather than failures: their names alone reach {chance + by_name:.3f} of its "
        words += f"{chance + skill:.3f}, and on assets it has not seen it reaches {chance + left:.3f}"
        yield Finding("identity", SUSPICION, words)


def shuffled_targets(probe: Probe) -> Iterator[Matrix]:
    """Yield targets whose assets are exchanged, each shifted around: as autocorrelated as the true ones."""
    rng = np.random.default_rng(probe.seed)
    parts = [part for part in (~probe.judge, probe.judge) if part.any()]
    for _ in range(PERMUTATIONS):
        shuffled = np.empty(len(probe.y))
        for part in parts:
            shuffled[part] = _exchanged(probe.asset[part], probe.y[part], rng)
        yield shuffled


def _exchanged(asset: npt.NDArray[np.str_], y: Matrix, rng: np.random.Generator) -> Matrix:
    """Return the targets with the blocks of the assets in another order, turned around by a random number of places."""
    blocks = [y[asset == name] for name in rng.permutation(np.unique(asset))]
    return np.roll(np.concatenate(blocks), int(rng.integers(len(y))))


def _by_asset(probe: Probe) -> Matrix:
    learn = ~probe.judge
    means = pd.Series(probe.y[learn]).groupby(probe.asset[learn]).mean()
    known = pd.Series(probe.asset[probe.judge]).map(means).fillna(probe.y[learn].mean())
    return np.asarray(known, dtype=np.float64)


def _times(probe: Probe) -> Matrix:
    at, start = probe.as_of, probe.as_of.min()
    days, hours = (at - start) / _DAY, at.dt.hour + at.dt.minute / 60
    return np.column_stack([days, hours, at.dt.day_of_week]).astype(np.float64)


def _apart(probe: Probe, purge: pd.Timedelta) -> dict[str, float]:
    """Score folds of the samples to learn from: of any rows, of other assets, of other times."""
    learn, rng = ~probe.judge, np.random.default_rng(probe.seed)
    asset, at, x, y = probe.asset[learn], probe.as_of[learn], probe.x[learn], probe.y[learn]
    rows = rng.permutation(len(y)) % _FOLDS
    names, of_asset = np.unique(asset, return_inverse=True)
    assets = (rng.permutation(len(names)) % _FOLDS)[of_asset]
    times = (at.rank(pct=True).to_numpy() * _FOLDS).clip(max=_FOLDS - 1e-9).astype(int)
    folds = {"rows_apart": _divided(rows), "assets_apart": _divided(assets), "times_apart": _purged(times, at, purge)}
    if len(names) < _FOLDS:
        del folds["assets_apart"]
    return {name: score_folds(x, y, pairs, binary=probe.binary, seed=probe.seed) for name, pairs in folds.items()}


def _divided(fold: npt.NDArray[np.int64]) -> Iterator[tuple[Rows, Rows]]:
    for number in range(_FOLDS):
        yield fold != number, fold == number


def _purged(
    fold: npt.NDArray[np.int64], at: "pd.Series[pd.Timestamp]", purge: pd.Timedelta
) -> Iterator[tuple[Rows, Rows]]:
    for learn, judge in _divided(fold):
        if judge.any():
            begin, end = at[judge].min() - purge, at[judge].max() + purge
            yield learn & ((at < begin) | (at > end)).to_numpy(), judge


def _random_columns(probe: Probe) -> dict[str, float]:
    """Count the columns that help the small model more than the best of some random ones."""
    learn, n_columns = ~probe.judge, probe.x.shape[1]
    noise = np.random.default_rng(probe.seed).normal(size=(len(probe.y), _RANDOM_COLUMNS))
    x = np.hstack([probe.x, noise])
    if np.ptp(probe.y[learn]) == 0:
        return {}
    model = fit_small(binned(x[learn]), probe.y[learn], binary=probe.binary, seed=probe.seed)
    gains = np.asarray(model.feature_importance("gain"), dtype=np.float64)
    ranks = pd.Series(gains).rank(ascending=False)
    return {
        "columns": float(n_columns),
        "columns_above_random": float((gains[:n_columns] > gains[n_columns:].max()).sum()),
        "random_rank": float(ranks.iloc[n_columns:].mean()),
    }
