"""Rules in use that watch for drift, to be compared with ours; each watches both kinds of errors."""

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from scipy import stats

from models.backtesting.retraining_rules import DRIFTED, KEEP, Rule, Situation, matured_failures
from models.monitoring.looks import Look
from models.retraining.retraining_policy import RetrainingDecision


def k_of_n(threshold: float, increase: float = 0.5, *, k: int = 2, n: int = 5) -> Rule:
    """Return the rule that retrains when k of the last n looks are over a limit, in misses or in false alarms.

    The limits are a share of the failures and, for false alarms per asset-month, an increase above the promised rate.
    Looks without a failure do not count for misses, nor do those in which nothing was watched for false alarms.
    """

    def over(situation: Situation) -> RetrainingDecision:
        looks = situation.looks()
        most = (1 + increase) * situation.promise.false_episodes.value
        missed = [look.missed / look.failures > threshold for look in looks if look.failures][-n:]
        false = [look.false_episodes / look.exposure > most for look in looks if look.exposure][-n:]
        return DRIFTED if max(sum(missed), sum(false)) >= k else KEEP

    description = (
        f"Retrains when {k} of the last {n} looks miss more than {threshold:.0%} of their failures, or have "
        f"{increase:.0%} more false alarms than promised."
    )
    return Rule("k-of-n", description, over)


def binomial(alpha: float = 0.05) -> Rule:
    """Return the rule that tests all errors since the promotion at every look, as if it were the only one.

    Half of alpha goes to a binomial test of the misses, half to a Poisson test of the false alarms.
    """

    def worse(situation: Situation) -> RetrainingDecision:
        looks = situation.looks()
        return DRIFTED if min(_missed_p(looks, situation), _false_p(looks, situation)) < alpha / 2 else KEEP

    description = f"Retrains when a test of the misses or of the false alarms has p < {alpha / 2:g} at any look."
    return Rule("binomial", description, worse)


RIVER = {
    "adwin": ("drift", "ADWIN", "ADWIN"),
    "page-hinkley": ("drift", "PageHinkley", "Page and Hinkley's test"),
    "ddm": ("drift.binary", "DDM", "DDM"),
}
"""River's detectors by the names of their rules: module, class, name in a sentence."""


def has_river() -> bool:
    """Return whether river is installed, with whose detectors can be compared."""
    return importlib.util.find_spec("river") is not None


def river_detector(name: str) -> Rule:
    """Return the rule of one of river's detectors (`RIVER`), with river's default parameters.

    One is fed failure by failure, missed or not; another alarm episode by alarm episode, false or true.

    References
    ----------
    .. [1] J. Montiel et al., "River: machine learning for streaming data in Python", JMLR 22 (2021), arXiv 2012.04740.
    """
    module, kind, detector_name = RIVER[name]
    make: Callable[[], Any] = getattr(importlib.import_module(f"river.{module}"), kind)

    def detected(situation: Situation) -> RetrainingDecision:
        streams = (_missed_stream(situation), _false_stream(situation))
        return DRIFTED if any(_detects(make(), stream) for stream in streams) else KEEP

    description = (
        f"Retrains when {detector_name} finds a change in the failures missed and caught, or in the alarms false and "
        "true."
    )
    return Rule(name, description, detected)


def _missed_p(looks: tuple[Look, ...], situation: Situation) -> float:
    missed, failures = sum(look.missed for look in looks), sum(look.failures for look in looks)
    if not failures or not situation.promise.missed.of:
        return 1.0
    return float(stats.binomtest(missed, failures, situation.promise.missed.value, alternative="greater").pvalue)


def _false_p(looks: tuple[Look, ...], situation: Situation) -> float:
    false, exposure = sum(look.false_episodes for look in looks), sum(look.exposure for look in looks)
    if not situation.promise.false_episodes.of:
        return 1.0
    return float(stats.poisson.sf(false - 1, exposure * situation.promise.false_episodes.value))


def _detects(detector: Any, stream: list[int]) -> bool:
    for error in stream:
        detector.update(error)
        if detector.drift_detected:
            return True
    return False


def _missed_stream(situation: Situation) -> list[int]:
    """Return 1 for each matured failure that was missed and 0 for others, in the order in which they matured."""
    failures = matured_failures(situation).sort_values(["matured_at", "asset"])
    return [int(state == "missed") for state in failures["state"]]


def _false_stream(situation: Situation) -> list[int]:
    """Return 1 for each matured alarm episode that was false and 0 for true ones, in the order in which they opened."""
    episodes = situation.known.episodes
    settled = episodes["state"].isin(["fp", "tp", "tp_prevented"]) & (episodes["opened"] > situation.since)
    return [int(state == "fp") for state in episodes[settled].sort_values(["opened", "asset"])["state"]]
