"""Probation: for a while after its promotion a champion is watched more closely than later.

The comparison rested on one period; a mistake in it shows soon. So the new champion is held to what the one that it
replaced had promised, for a declared span, by tests that reject sooner than those of later monitoring: a larger alpha,
and a smaller increase that counts as harmful. What they say is a suggestion; rolling back is someone's decision.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

from data_contracts.errors import UsageError
from models.e_processes import BernoulliEProcess, PoissonEProcess

KEEP = "keep"
ROLL_BACK = "roll back"
WAIT = "wait"
SPAN = pd.Timedelta(days=28)
# A promise of nothing at all cannot be bet against; nobody can tell a rate below these from zero in a month.
_LEAST_SHARE, _LEAST_RATE = 0.01, 0.001


@dataclass(frozen=True)
class ProbationRules:
    """How long and how strictly a new champion is watched.

    Parameters
    ----------
    span : pd.Timedelta
        How long after the promotion; outcomes of that time count, whenever they mature.
    alpha : float
        Bound on the probability of ever suggesting to roll back a champion that keeps the promise; half of it goes to
        misses, half to false alarms.
    missed_increase : float
        The smallest increase of the missed share that does harm.
    false_fold : float
        The smallest fold of the rate of false episodes that does harm.

    Raises
    ------
    UsageError
        If a value makes no sense.
    """

    span: pd.Timedelta = SPAN
    alpha: float = 0.2
    missed_increase: float = 0.1
    false_fold: float = 1.5

    def __post_init__(self) -> None:
        for name, sound, expected in (
            ("span", self.span >= pd.Timedelta(0), "a duration"),
            ("alpha", 0 < self.alpha < 1, "a number between 0 and 1"),
            ("missed_increase", 0 < self.missed_increase < 1, "a share between 0 and 1"),
            ("false_fold", 1 < self.false_fold < math.inf, "a number above 1"),
        ):
            if not sound:
                raise UsageError(f"{name} of probation is {getattr(self, name)}", expected, "Mend the setting")


USUAL = ProbationRules()
"""The rules where nobody has said otherwise."""


@dataclass(frozen=True)
class Promise:
    """What the replaced champion had promised.

    Parameters
    ----------
    missed : float
        Share of failures missed; NaN where nothing was promised.
    false_episodes : float
        False alarm episodes per asset-month; NaN where nothing was promised.
    """

    missed: float
    false_episodes: float


@dataclass(frozen=True)
class Look:
    """What matured for the new champion between two looks.

    Parameters
    ----------
    start, end : pd.Timestamp
        The outcomes' own times, (start, end].
    missed, failures : int
        Failures missed, of failures missed, caught and prevented.
    false_episodes : int
        False alarm episodes.
    asset_months : float
        Over which they are counted.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    missed: int
    failures: int
    false_episodes: int
    asset_months: float


@dataclass(frozen=True)
class Probation:
    """Where a probation stands.

    Parameters
    ----------
    suggestion : str
        "wait" while it lasts, "keep" when it was passed, "roll back" as soon as a test has rejected.
    ends : pd.Timestamp
        End of the span.
    log_e_missed, log_e_false : float or None
        The evidence; None where nothing was promised.
    threshold : float
        What the evidence must reach: log(2 / alpha).
    reasons : tuple of str
        Plain sentences.
    """

    suggestion: str
    ends: pd.Timestamp
    log_e_missed: float | None
    log_e_false: float | None
    threshold: float
    reasons: tuple[str, ...]


def probation(
    looks: Iterable[Look], *, promoted_at: pd.Timestamp, promise: Promise, rules: ProbationRules = USUAL
) -> Probation:
    """Tell whether a new champion has kept the promise of the one that it replaced.

    Parameters
    ----------
    looks : iterable of Look
        In order of time, without overlap. Those that reach back before the promotion or beyond the span do not count;
        one that reaches the end of the span closes the probation.
    promoted_at : pd.Timestamp
        When it became the champion.
    promise : Promise
        What the replaced champion had promised.
    rules : ProbationRules
        Span and strictness.

    Returns
    -------
    Probation
        A suggestion. It never goes from "roll back" to anything else while looks are added.

    Raises
    ------
    UsageError
        If looks overlap: the same outcomes would count twice.

    Examples
    --------
    >>> start, week = pd.Timestamp("2026-01-01", tz="UTC"), pd.Timedelta(days=7)
    >>> looks = [Look(start + n * week, start + (n + 1) * week, 5, 8, 2, 14.0) for n in range(2)]
    >>> probation(looks, promoted_at=start, promise=Promise(missed=0.2, false_episodes=0.2)).suggestion
    'roll back'

    References
    ----------
    The tests: `models.e_processes`.
    """
    ordered, ends = list(looks), promoted_at + rules.span
    if any(later.start < earlier.end for earlier, later in pairwise(ordered)):
        raise UsageError("looks of the probation overlap", "looks in order of time", "Count each outcome once")
    counted = [look for look in ordered if look.start >= promoted_at and look.end <= ends]
    misses, false = _tests(promise, rules)
    for look in counted:
        if misses is not None:
            misses.update(look.missed, look.failures)
        if false is not None:
            false.update(look.false_episodes, look.asset_months)
    reasons = (_missed_sentence(counted, promise, misses), _false_sentence(counted, promise, false))
    rejected = any(test is not None and test.rejected for test in (misses, false))
    over = any(look.end >= ends for look in ordered)
    suggestion = ROLL_BACK if rejected else KEEP if over else WAIT
    told = {
        ROLL_BACK: "It is worse than the champion that it replaced had promised: rolling back is suggested.",
        KEEP: f"The probation has ended on {ends:%Y-%m-%d %H:%M}, and the promise was kept as far as can be told.",
        WAIT: f"It is on probation for what happens until {ends:%Y-%m-%d %H:%M}.",
    }[suggestion]
    return Probation(
        suggestion=suggestion,
        ends=ends,
        log_e_missed=None if misses is None else misses.log_e_value,
        log_e_false=None if false is None else false.log_e_value,
        threshold=-math.log(rules.alpha / 2),
        reasons=(*reasons, told),
    )


def _tests(promise: Promise, rules: ProbationRules) -> tuple[BernoulliEProcess | None, PoissonEProcess | None]:
    missed, false = max(promise.missed, _LEAST_SHARE), max(promise.false_episodes, _LEAST_RATE)
    misses = episodes = None
    # Who promised to miss nearly all cannot be worse by the increase.
    if not math.isnan(promise.missed) and missed + rules.missed_increase < 1:
        misses = BernoulliEProcess(missed, missed + rules.missed_increase, rules.alpha / 2)
    if not math.isnan(promise.false_episodes):
        episodes = PoissonEProcess(false, rules.false_fold * false, rules.alpha / 2)
    return misses, episodes


def _missed_sentence(looks: list[Look], promise: Promise, test: BernoulliEProcess | None) -> str:
    missed, failures = sum(look.missed for look in looks), sum(look.failures for look in looks)
    if test is None:
        return f"{missed} of {failures} failures were missed; the champion before promised nothing to hold that to."
    return f"{missed} of {failures} failures were missed, promised {promise.missed:.0%}: {_evidence(test)}."


def _false_sentence(looks: list[Look], promise: Promise, test: PoissonEProcess | None) -> str:
    count, months = sum(look.false_episodes for look in looks), sum(look.asset_months for look in looks)
    seen = f"{count} false alarm episodes in {months:.1f} asset-months"
    if test is None:
        return f"{seen}; the champion before promised nothing to hold that to."
    return f"{seen}, promised {promise.false_episodes:.2f} a month: {_evidence(test)}."


def _evidence(test: BernoulliEProcess | PoissonEProcess) -> str:
    told = f"log e-value {test.log_e_value:.1f}, {test.threshold:.1f} would reject"
    return told if not test.rejected or test.log_e_value >= test.threshold else f"{told}, and it has been above that"
