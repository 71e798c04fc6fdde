"""Whether a champion has become worse than promised: the first, plain trigger.

A rate has drifted when the lower end of its interval lies above the reference rate plus a tolerance. It is a fixed-size
test looked at again and again, so its false alarms are not bounded over many looks; what takes its place keeps the
entry point: evidence and reference in, `Drift` out.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from models.error_rates import ErrorRates, Rate


@dataclass(frozen=True)
class Reference:
    """The error rates a champion was promoted with.

    Parameters
    ----------
    missed : float
        Failures missed, of all; a share. NaN where its evaluation saw no failure.
    false_episodes : float
        False alarm episodes per asset-month; NaN where no asset was watched.
    source : str
        Where they were measured, for the reasons given.
    """

    missed: float
    false_episodes: float
    source: str = "its evaluation"


@dataclass(frozen=True)
class Tolerances:
    """How much worse than promised is still accepted.

    Parameters
    ----------
    missed : float
        Added to the reference share of missed failures.
    false_episodes : float
        Added to the reference rate of false episodes per asset-month.
    """

    missed: float = 0.05
    false_episodes: float = 0.1


@dataclass(frozen=True)
class Drift:
    """What the rates say of the champion.

    Parameters
    ----------
    drifted : bool
        Whether any rate is worse than is accepted.
    which : tuple of str
        "fn", "fp" or both.
    reasons : tuple of str
        One plain sentence for each rate.
    """

    drifted: bool
    which: tuple[str, ...]
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain values."""
        return asdict(self) | {"which": list(self.which), "reasons": list(self.reasons)}


def drift(rates: ErrorRates, reference: Reference, tolerances: Tolerances) -> Drift:
    """Compare the rates of a period with the promised ones.

    Parameters
    ----------
    rates : ErrorRates
        Of matured outcomes.
    reference : Reference
        What the champion was promoted with.
    tolerances : Tolerances
        What is accepted beyond that.

    Returns
    -------
    Drift
        Drifted where an interval's lower end lies above the reference plus the tolerance.
    """
    missed_limit = reference.missed + tolerances.missed
    false_limit = reference.false_episodes + tolerances.false_episodes
    which = tuple(
        name
        for name, rate, limit in (("fn", rates.missed, missed_limit), ("fp", rates.false_episodes, false_limit))
        if rate.low > limit
    )
    reasons = (_missed_sentence(rates, reference, missed_limit), _false_sentence(rates, reference, false_limit))
    return Drift(bool(which), which, reasons)


def _missed_sentence(rates: ErrorRates, reference: Reference, limit: float) -> str:
    rate = rates.missed
    if not rate.of:
        return "No failure has matured, so nothing can be said of misses."
    if math.isnan(reference.missed):
        return (
            f"{rate.count} of {rate.of:g} failures were missed; {reference.source} saw none, so nothing was promised."
        )
    return (
        f"{rate.count} of {rate.of:g} failures were missed: {rate.value:.0%}, {rates.confidence:.0%} interval "
        f"{rate.low:.0%} to {rate.high:.0%}. {_verdict(rate, limit)} the {limit:.0%} accepted "
        f"({reference.missed:.0%} in {reference.source} and a tolerance)."
    )


def _false_sentence(rates: ErrorRates, reference: Reference, limit: float) -> str:
    rate = rates.false_episodes
    if not rate.of:
        return "No asset has been watched for any length of time, so nothing can be said of false alarms."
    if math.isnan(reference.false_episodes):
        return f"{rate.count} false alarm episodes in {rate.of:.1f} asset-months; {reference.source} promised nothing."
    return (
        f"{rate.count} false alarm episodes in {rate.of:.1f} asset-months: {rate.value:.2f} a month, "
        f"{rates.confidence:.0%} interval {rate.low:.2f} to {rate.high:.2f}. {_verdict(rate, limit)} the {limit:.2f} "
        f"accepted ({reference.false_episodes:.2f} in {reference.source} and a tolerance)."
    )


def _verdict(rate: Rate, limit: float) -> str:
    if rate.low > limit:
        return "All of the interval lies above"
    return "That may still be within" if rate.value > limit else "That is within"
