"""Observed and promised rates by stratum, as the rows of a table."""

from collections.abc import Iterable, Iterator

from models.monitoring.look_strata import PromisedStratum, StratumFigures

HEAD = ("failures missed", "promised", "keeps it", "false alarms a month", "promised", "keeps it")


def stratum_rows(strata: Iterable[StratumFigures]) -> Iterator[tuple[str, ...]]:
    """Yield the name of each stratum and its cells under `HEAD`."""
    for one in strata:
        counts, name = one.counts, one.counts.name if one.evaluated else f"{one.counts.name} (not evaluated)"
        missed = f"{counts.missed} of {counts.failures}" if counts.failures else "no failure"
        false = f"{counts.false_episodes / counts.exposure:.2f}" if counts.exposure else "not observed"
        yield name, missed, *_promised(one.missed, ".0%"), false, *_promised(one.false_episodes, ".2f")


def _promised(promised: PromisedStratum | None, form: str) -> tuple[str, str]:
    if promised is None:
        return "by the overall rate", ""
    return f"{promised.value:{form}}", f"up to {promised.keeps_up_to:{form}}"
