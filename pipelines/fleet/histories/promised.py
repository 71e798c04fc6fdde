"""Histories in which a champion is held to a promise that was itself estimated, from few failures or from chosen ones.

Elsewhere in the simulations the promise is exact. Here each history draws its own evaluation, and for a challenger the
comparison that it won, too; then the champion keeps its true rate, and every rejection is false.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.monitoring.drift import FN, FP, Budget, ReferenceRates
from models.outcomes.error_rates import Rate, occurrence, share
from models.outcomes.rate_intervals import clustered_share
from models.promises.chain import VersionPromise, bind
from models.promises.limits import limit
from models.promises.pooling import MOST_FROM_BEFORE, pool, without_selection
from models.promises.reference_rates import FALSE, MISSED
from pipelines.fleet.histories.look_counts import LookCounts, rejections
from pipelines.fleet.plant.arrays import Flags

TRUTH = 0.2
WINS_BY = 1.2816
"""Standard errors by which a challenger has to miss less to be promoted: as sure as a one-sided test at 90 %."""
_NO_ALARMS = occurrence(0, 0.0)
Draw = Callable[[np.random.Generator], ReferenceRates]
"""Draws the promise that a champion of one history is held to."""


@dataclass(frozen=True)
class Monitored:
    """How long, and on how many failures or asset-months a look, the champion is monitored."""

    per_look: int
    looks: int
    truth: float = TRUTH


def evaluated(failures: int, truth: float = TRUTH) -> Draw:
    """Promise what an evaluation on so many failures showed."""
    return lambda rng: _missed(share(int(rng.binomial(failures, truth)), failures))


def evaluated_by_asset(assets: int, failures: int, correlation: float, truth: float = TRUTH) -> Draw:
    """Promise the same where the failures of an asset are missed or caught together more often than by chance."""

    def draw(rng: np.random.Generator) -> ReferenceRates:
        spread = (1 - correlation) / correlation
        shares = rng.beta(truth * spread, (1 - truth) * spread, assets)
        return _missed(clustered_share(rng.binomial(failures, shares), np.full(assets, failures)))

    return draw


def evaluated_alarms(expected: float) -> Draw:
    """Promise what an evaluation showed in which so many false alarms were to be expected, one an asset-month."""
    return lambda rng: ReferenceRates(share(0, 0), occurrence(int(rng.poisson(expected)), expected))


def won(failures: int, together: float, truth: float = TRUTH, *, corrected: bool = True) -> Draw:
    """Promise what the comparison of two equal models showed of the challenger, which won it by luck.

    On a share `together` of the failures both fare the same. Without the correction it is the challenger's own count.
    """

    def draw(rng: np.random.Generator) -> ReferenceRates:
        while True:
            champion, challenger = rng.random((2, failures)) < truth
            challenger = np.where(rng.random(failures) < together, champion, challenger)
            fewer, differ = int(champion.sum()) - int(challenger.sum()), int((champion != challenger).sum())
            if differ and fewer >= WINS_BY * np.sqrt(differ):
                break
        winner, loser = (_missed(share(int(side.sum()), failures)) for side in (challenger, champion))
        return without_selection(winner, loser, "the comparison") if corrected else winner

    return draw


def succession(draws: Sequence[Draw], budget: Budget) -> Draw:
    """Hold the last of equal champions to the tightest promise of all, each pooled with a little of the one before."""

    def draw(rng: np.random.Generator) -> ReferenceRates:
        chain: list[VersionPromise] = []
        for number, one in enumerate(draws, 1):
            own = one(rng)
            if chain:
                own = pool(own, chain[-1].rates, own.source, most=MOST_FROM_BEFORE)
            chain.append(VersionPromise(number, own))
        return bind(chain, budget.certainty).rates

    return draw


def false_rejections(draw: Draw, monitored: Monitored, budget: Budget, histories: int, *, seed: int) -> Flags:
    """Return for each history whether either test ever rejected, although the rate never changed."""
    rng = np.random.default_rng(seed)
    promises = [draw(rng) for _ in range(histories)]
    missed = bool(promises[0].missed.of)
    shape = (histories, monitored.looks)
    amounts, none = np.full(shape, float(monitored.per_look)), np.zeros(shape)
    if missed:
        counts = LookCounts(rng.binomial(monitored.per_look, monitored.truth, shape).astype(float), amounts, none, none)
    else:
        counts = LookCounts(none, none, rng.poisson(monitored.per_look, shape).astype(float), amounts)
    rate, tested = (MISSED, FN) if missed else (FALSE, FP)
    rejected = np.zeros(histories, dtype=bool)
    # Histories with the same promise are tested at once.
    groups: dict[float, list[int]] = {}
    for place, promise in enumerate(promises):
        groups.setdefault(round(limit(promise, rate, budget.certainty), 9), []).append(place)
    for places in groups.values():
        own = LookCounts(*(np.asarray(array)[places] for array in vars(counts).values()))
        promise = _with_both(promises[places[0]])
        over = [looks.any(axis=1) for (kind, _), looks in rejections(own, promise, budget).items() if kind == tested]
        rejected[places] = np.any(over, axis=0)
    return rejected


def _missed(rate: Rate) -> ReferenceRates:
    return ReferenceRates(rate, _NO_ALARMS)


def _with_both(promise: ReferenceRates) -> ReferenceRates:
    """Promise something of the other rate too, of which no outcome is counted."""
    if promise.missed.of:
        return ReferenceRates(**{**vars(promise), "false_episodes": occurrence(1, 1.0)})
    return ReferenceRates(**{**vars(promise), "missed": share(1, 2)})
