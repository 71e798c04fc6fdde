"""Sentences on drift: what was counted, what was promised, and how strong the evidence is."""

import math
from collections.abc import Sequence

from models.monitoring.drift_evidence import FN, FP, NO_SEASON, DriftEvidence
from models.monitoring.looks import Look
from models.promises.reference_rates import FALSE, ReferenceRates
from models.sequential_tests.rate_tests import RECENT, SINCE_PROMOTION

INDEPENDENT, ANY = "independent", "any"
_LARGEST, _SMALLEST = math.log(1e6), 0.001
_WHEN = {SINCE_PROMOTION: "since the promotion", RECENT: "of the recent past"}


def sentences(looks: Sequence[Look], promise: ReferenceRates, evidence: Sequence[DriftEvidence]) -> tuple[str, str]:
    """Describe misses, then false alarms: what was counted, what was promised, how strong the evidence is."""
    return _missed_sentence(looks, promise, evidence), _false_sentence(looks, promise, evidence)


def odds_of(log_value: float) -> str:
    """Write an e-value as odds that a person can read.

    Examples
    --------
    >>> odds_of(math.log(40))
    '40'
    >>> odds_of(math.log(3.2e5))
    '320,000'
    """
    if log_value > _LARGEST:
        return "over a million"
    value = math.exp(log_value)
    if value < _SMALLEST:
        return f"under {_SMALLEST:g}"
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 10 else f"{value:.2g}"


def _missed_sentence(looks: Sequence[Look], promise: ReferenceRates, evidence: Sequence[DriftEvidence]) -> str:
    missed, failures = sum(look.missed for look in looks), sum(look.failures for look in looks)
    if not failures:
        return "No failure has matured yet, so misses cannot be assessed."
    counts = f"{missed} of {failures} failures were missed: {missed / failures:.0%}"
    tests = [each for each in evidence if each.rate == FN]
    if not tests:
        return f"{counts}; {promise.source} saw none, so nothing was promised."
    if hidden := sum(look.failures_at_most - look.failures for look in looks):
        counts += f", with up to {hidden} more prevented that the findings do not show"
    return (
        f"{counts}. {promise.source[0].upper()}{promise.source[1:]} had {promise.missed.count} of "
        f"{promise.missed.of:g}, so up to {tests[0].promised:.0%} keeps the promise"
        f"{_season_in_words(tests[0], '.0%')}{_mix_in_words(tests[0], [look.failures for look in looks], '.0%')}. "
        f"{_evidence_in_odds(tests)}{_dependence_in_words(tests[0], promise)}"
    )


def _false_sentence(looks: Sequence[Look], promise: ReferenceRates, evidence: Sequence[DriftEvidence]) -> str:
    alarms, months = sum(look.false_episodes for look in looks), sum(look.exposure for look in looks)
    if not months:
        return "No time under observation has matured yet, so false alarms cannot be assessed."
    counts = f"{alarms} false alarm episodes in {months:.1f} asset-months: {alarms / months:.2f} a month"
    tests = [each for each in evidence if each.rate == FP]
    if not tests:
        return f"{counts}; {promise.source_of(FALSE)} watched no asset, so nothing was promised."
    source, exposures = promise.source_of(FALSE), [look.exposure for look in looks]
    return (
        f"{counts}. {source[0].upper()}{source[1:]} had {promise.false_episodes.value:.2f}, so up to "
        f"{tests[0].promised:.2f} keeps the promise"
        f"{_season_in_words(tests[0], '.2f')}{_mix_in_words(tests[0], exposures, '.2f')}. "
        f"{_evidence_in_odds(tests)}{_dependence_in_words(tests[0], promise)}"
    )


def _season_in_words(test: DriftEvidence, form: str) -> str:
    if not test.seasons or test.seasons[-1] <= NO_SEASON:
        return ""
    return f", and up to {test.promised * test.seasons[-1]:{form}} in the season of the last look, which it did not see"


def _mix_in_words(test: DriftEvidence, amounts: Sequence[float], form: str) -> str:
    """Say what keeps the promise at the mix of all looks, which count by what each had."""
    if not test.mixes or not sum(amounts):
        return ""
    fold = sum(amount * mix for amount, mix in zip(amounts, test.mixes, strict=True)) / sum(amounts)
    return f"; with the {test.strata}s as they were in these looks up to {test.promised * fold:{form}} does"


def _dependence_in_words(test: DriftEvidence, promise: ReferenceRates) -> str:
    if test.dependence == INDEPENDENT or not test.log_e_values:
        return ""
    if test.dependence == ANY:
        return " Nothing is assumed about how events of one look depend on each other."
    weeks = f"{len(promise.weeks)} weeks of {promise.source} and " if promise.weeks else ""
    return f" Events of one look may have one cause{_most(test)}: how often, {weeks}the looks before show."


def _most(test: DriftEvidence) -> str:
    if test.scatter is None:
        return ""
    if test.rate == FN:
        return f", up to a correlation of {test.scatter:g}"
    return f", up to a rate that varies by {test.scatter:.0%} from look to look"


def _evidence_in_odds(tests: Sequence[DriftEvidence]) -> str:
    return " ".join(
        f"Evidence {_WHEN[each.test]}: {odds_of(each.log_e_values[-1])} to 1, {odds_of(each.threshold)} to 1 decides"
        + (f"; it did on {each.rejected_at:%Y-%m-%d}." if each.rejected_at is not None else ".")
        for each in tests
        if each.log_e_values
    )
