"""Drift: tests of whether a champion's error rates still match those that it was promoted with.

Its misses and its false alarms are each tested twice: have they been worse than promised since the promotion (an
e-process: wrong with probability alpha at most, however often one looks), and have they become worse recently (an
e-detector: wrong once in a declared time at most, on average). The null is the largest rate that the evidence behind
the promise allows (`models.promises.limits`), so that a lucky evaluation is not held against the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from models.monitoring.budget import Budget as Budget
from models.monitoring.drift_evidence import FN as FN
from models.monitoring.drift_evidence import FP as FP
from models.monitoring.drift_evidence import NO_SEASON
from models.monitoring.drift_evidence import DriftEvidence as DriftEvidence
from models.monitoring.drift_sentences import odds_of as odds_of
from models.monitoring.drift_sentences import sentences as sentences
from models.monitoring.look_strata import StratumFigures, look_mixes, strata_remarks, stratum_figures
from models.monitoring.looks import Grid, Look, count_looks
from models.monitoring.provisional import settled, settlements
from models.monitoring.tested_rates import TestedRate, look_counts, tested_rates
from models.outcomes.error_rates import as_json
from models.outcomes.outcomes import Outcomes
from models.promises.reference_rates import FALSE, MISSED
from models.promises.reference_rates import ReferenceRates as ReferenceRates
from models.sequential_tests.multiple_tests import e_bh
from models.sequential_tests.rate_tests import RECENT as RECENT
from models.sequential_tests.rate_tests import SINCE_PROMOTION as SINCE_PROMOTION
from models.sequential_tests.rate_tests import log_evidence, log_thresholds

NO_TIME = pd.Timedelta(0)


@dataclass(frozen=True)
class Drift:
    """Result of the drift tests."""

    drifted: bool  # whether any rate is worse than promised
    which: tuple[str, ...]  # "fn", "fp" or both
    reasons: tuple[str, ...]  # a sentence for each rate, and one for each slice that is worse by itself
    evidence: tuple[DriftEvidence, ...] = ()
    looks: tuple[Look, ...] = ()
    slices: tuple[str, ...] = ()  # slices that are worse than promised, of those tested
    promise: ReferenceRates | None = None  # what counts by now: a provisional promise may have been made tighter
    strata: tuple[StratumFigures, ...] = ()  # what was counted by stratum; empty without strata

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "drifted": self.drifted,
            "which": list(self.which),
            "reasons": list(self.reasons),
            "slices": list(self.slices),
            "evidence": [as_json(vars(each)) | {"rejected": each.rejected} for each in self.evidence],
            "looks": [
                as_json({name: value for name, value in vars(look).items() if name != "strata"}) for look in self.looks
            ],
            "strata": [as_json(one.to_dict()) for one in self.strata],
        }


def detect_drift(
    outcomes: Outcomes,
    promise: ReferenceRates,
    budget: Budget,
    grid: Grid,
    *,
    slices: Mapping[str, frozenset[str]] | None = None,
) -> Drift:
    """Test a champion's matured outcomes against its promise; immature ones change nothing.

    `slices` are groups of assets to be tested each by itself, such as the plants. Half of alpha then goes to them, and
    the Benjamini-Hochberg procedure for e-values selects which of them are worse.

    References
    ----------
    .. [1] A. Podkopaev, A. Ramdas, "Tracking the risk of a deployed model and detecting harmful distribution shifts",
       ICLR 2022, arXiv 2110.06177.
    .. [2] J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection",
       arXiv 2203.03532.
    .. [3] R. Wang, A. Ramdas, "False discovery rate control with e-values", JRSS-B 2022, arXiv 2009.02824.
    """
    looks = count_looks(outcomes, grid)
    overall = replace(budget, alpha=budget.alpha / 2) if slices else budget
    evidence, promise = evidence_in_phases(looks, promise, overall, maturity=outcomes.terms.maturity)
    worse_slices = _worse_slices(outcomes, promise, budget, grid, slices or {})
    which = tuple(rate for rate in (FN, FP) if any(each.rejected for each in evidence if each.rate == rate))
    reasons = [*sentences(looks, promise, evidence)]
    reasons += [f"In {name} by itself the champion misses more failures than it promised." for name in worse_slices]
    which = which if FN in which or not worse_slices else (FN, *which)
    strata = stratum_figures(looks, promise, budget.certainty, budget.strata)
    reasons += strata_remarks(strata, promise, budget.strata)
    return Drift(bool(which), which, tuple(reasons), evidence, looks, worse_slices, promise, strata)


def evidence_of(
    looks: Sequence[Look], promise: ReferenceRates, budget: Budget, *, maturity: pd.Timedelta = NO_TIME
) -> tuple[DriftEvidence, ...]:
    """Run the tests over looks in order of time: misses before false alarms, since the promotion before recent.

    A rate of which nothing was promised is not tested. What matured at a look happened `maturity` earlier.
    """
    happened = pd.DatetimeIndex([look.at for look in looks], tz="UTC") - maturity
    rates = tested_rates(look_counts(looks), happened, promise, budget, look_mixes(looks))
    return tuple(each for name, rate in rates.items() for each in _run_tests(name, rate, budget, looks))


def evidence_in_phases(
    looks: Sequence[Look], promise: ReferenceRates, budget: Budget, *, maturity: pd.Timedelta = NO_TIME
) -> tuple[tuple[DriftEvidence, ...], ReferenceRates]:
    """Run the tests of each rate, against a tighter promise from when on it replaces a provisional one.

    Returns the promise that counts in the end, too.
    """
    evidence: list[DriftEvidence] = []
    replaced = settlements(promise, looks, budget.certainty, budget.promise_events, budget.strata)
    for rate in (MISSED, FALSE):
        if rate not in replaced:
            evidence += evidence_of(looks, promise.only(rate), budget, maturity=maturity)
            continue
        place, tighter = replaced[rate]
        first = evidence_of(looks[:place], promise.only(rate), budget, maturity=maturity)
        then = evidence_of(looks[place:], tighter, budget, maturity=maturity)
        evidence += [before.followed_by(after, looks) for before, after in zip(first, then, strict=True)]
    return tuple(evidence), settled(promise, replaced)


def _run_tests(name: str, rate: TestedRate, budget: Budget, looks: Sequence[Look]) -> list[DriftEvidence]:
    thresholds = log_thresholds(rate.budget.alpha, rate.budget.mean_time_between_false)
    evidence, promised = [], rate.promised
    for test, values in log_evidence(rate.counted, budget.dependence, thresholds[RECENT]).items():
        over = np.flatnonzero(values[0] >= thresholds[test])
        evidence.append(
            DriftEvidence(
                name,
                test,
                promised.null,
                promised.harmful,
                thresholds[test],
                tuple(values[0].tolist()),
                looks[over[0]].at if len(over) else None,
                budget.dependence,
                tuple(promised.seasons.tolist()) if (promised.seasons > NO_SEASON).any() else (),
                rate.counted.model.scatter if budget.dependence == "auto" else None,
                () if promised.mixes is None else tuple(promised.mixes.tolist()),
                None if promised.mixes is None else budget.strata,
            )
        )
    return evidence


def _worse_slices(
    outcomes: Outcomes, promise: ReferenceRates, budget: Budget, grid: Grid, slices: Mapping[str, frozenset[str]]
) -> tuple[str, ...]:
    if not slices or not promise.missed.of:
        return ()
    # How the events of all assets depend on each other says little about those of a slice.
    promise, alpha = replace(promise, weeks=()), budget.alpha / 2
    log_e_values = []
    for assets in slices.values():
        looks = count_looks(outcomes, grid, only=assets)
        happened = pd.DatetimeIndex([look.at for look in looks], tz="UTC") - outcomes.terms.maturity
        rate = tested_rates(look_counts(looks), happened, promise, budget, look_mixes(looks))[FN]
        values = log_evidence(rate.counted, budget.dependence)[SINCE_PROMOTION][0]
        log_e_values.append(float(values[-1]) if len(values) else 0.0)
    return tuple(name for name, worse in zip(slices, e_bh(log_e_values, alpha), strict=True) if worse)
