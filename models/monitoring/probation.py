"""Probation: for a while after its promotion a champion is watched more closely than later.

The comparison rested on one period; a mistake in it shows soon. So the new champion is held to the promise of the one
that it replaced, for a declared span, by tests that reject sooner than those of later monitoring: a larger alpha, and a
smaller increase that counts as harmful. The result is a suggestion; rolling back is a decision of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from data_contracts.configuration.values import configuration
from data_contracts.errors import UsageError
from features.setting_types import Duration, Number
from models.monitoring.drift import SINCE_PROMOTION, Budget, DriftEvidence, ReferenceRates, evidence_of, sentences
from models.monitoring.looks import Look
from models.outcomes.error_rates import as_json

KEEP = "keep"
ROLL_BACK = "roll back"
WAIT = "wait"
SPAN = pd.Timedelta(days=28)
_NONE = pd.Timedelta(0)


@configuration
class ProbationRules:
    """How long and how strictly a new champion is watched."""

    span: Duration = SPAN
    """How long after its promotion a champion is held to what the one before had promised; what happens in that time
    counts, although it matures later. 0d for no probation."""
    alpha: Annotated[Number, Field(ge=1e-6, le=0.5)] = 0.2
    """Largest probability of ever suggesting to roll back a champion that keeps that promise; half of it goes to
    misses, half to false alarms."""
    missed_increase: Annotated[Number, Field(ge=0.01, le=0.9)] = 0.1
    """The smallest harmful increase of the share of missed failures; absolute."""
    false_fold: Annotated[Number, Field(ge=1.01, le=100)] = 1.5
    """The smallest harmful ratio of the rate of false alarm episodes to the promised one."""

    @property
    def budget(self) -> Budget:
        """Return the same in the words of `models.monitoring.drift`."""
        return Budget(alpha=self.alpha, harmful_missed=self.missed_increase, harmful_false=self.false_fold - 1)


DECLARED = ("every", "dependence", "correlation", "variation", "season", "season_missed", "strata")
"""What is declared of looks, dependence, season and strata; it holds on probation too."""
DEFAULT_RULES = ProbationRules()
DEFAULT_MONITORING = Budget()


@dataclass(frozen=True)
class Probation:
    """State of a probation."""

    suggestion: str  # "wait" until it has matured, then "keep"; "roll back" as soon as a test has rejected
    ends: pd.Timestamp  # when everything that happens within the span has matured
    evidence: tuple[DriftEvidence, ...]  # of misses, then of false alarms; without rates of which nothing was promised
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, times in ISO 8601."""
        return {
            "suggestion": self.suggestion,
            "ends": self.ends.isoformat(),
            "evidence": [as_json(vars(each)) | {"rejected": each.rejected} for each in self.evidence],
            "reasons": list(self.reasons),
        }


def assess_probation(
    looks: Sequence[Look],
    *,
    promoted_at: pd.Timestamp,
    promise: ReferenceRates,
    maturity: pd.Timedelta = _NONE,
    rules: ProbationRules = DEFAULT_RULES,
    monitoring: Budget = DEFAULT_MONITORING,
) -> Probation:
    """Test whether a new champion has kept the promise of the one that it replaced.

    The looks are on a grid that begins at the promotion. The first one at or after the end of the probation closes it,
    later ones do not count; so a suggestion to roll back stays when looks are added. `maturity` is the time from a
    decision to its outcome. What `monitoring` declares about looks, dependence and season holds here too. The tests:
    `models.sequential_tests.rate_tests`.

    Examples
    --------
    >>> from models.outcomes.error_rates import occurrence, share
    >>> start, week = pd.Timestamp("2026-01-01", tz="UTC"), pd.Timedelta(days=7)
    >>> looks = [Look(start + n * week, missed=5, failures=8, false_episodes=2, exposure=14.0) for n in (1, 2, 3)]
    >>> promise = ReferenceRates(share(20, 100), occurrence(40, 200.0))
    >>> assess_probation(looks, promoted_at=start, promise=promise).suggestion
    'roll back'
    """
    times = [promoted_at, *(look.at for look in looks)]
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise UsageError(
            "looks of the probation are not in order of time", "looks after the promotion", "Count each outcome once"
        )
    ends = promoted_at + rules.span + maturity
    # The look in which the probation ends holds the last of it.
    counted = [look for look, before in zip(looks, times, strict=False) if before < ends]
    budget = replace(rules.budget, **{name: getattr(monitoring, name) for name in DECLARED})
    tests = evidence_of(counted, promise, budget, maturity=maturity)
    evidence = tuple(each for each in tests if each.test == SINCE_PROMOTION)
    over = any(look.at >= ends for look in counted)
    suggestion = ROLL_BACK if any(each.rejected for each in evidence) else KEEP if over else WAIT
    conclusion = {
        ROLL_BACK: "It is worse than the champion that it replaced had promised: rolling back is suggested.",
        KEEP: f"The probation ended on {ends:%Y-%m-%d %H:%M}, without evidence that the promise was broken.",
        WAIT: f"The probation ends on {ends:%Y-%m-%d %H:%M}.",
    }[suggestion]
    return Probation(suggestion, ends, evidence, (*sentences(counted, promise, evidence), conclusion))
