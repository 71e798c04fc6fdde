"""How a comparison is worded, the same on the terminal and on the page."""

import math
from collections.abc import Iterator, Sequence

from models.comparisons.comparison import VersionComparison, VersionFigures
from models.comparisons.figures import KINDS
from models.comparisons.paired import Difference
from pipelines.terminal.metrics import pluralize


def labels(comparison: VersionComparison) -> tuple[str, ...]:
    """Return how each version is called: by its number where all are of one model."""
    alone = len({each.name for each in comparison.versions}) == 1
    return tuple(f"version {each.version}" if alone else f"{each.name} {each.version}" for each in comparison.versions)


def headline(comparison: VersionComparison) -> str:
    """Say what the figures are of."""
    return (
        f"{comparison.samples:,} test samples of {comparison.assets:,} {pluralize('asset', comparison.assets)} that "
        f"all versions share, {comparison.start:%Y-%m-%d %H:%M} to {comparison.end:%Y-%m-%d %H:%M}; outcomes as known "
        f"on {comparison.known_until:%Y-%m-%d %H:%M}"
    )


def notes(comparison: VersionComparison) -> Iterator[str]:
    """Say how the figures are to be read."""
    for each, label in zip(comparison.versions, labels(comparison), strict=True):
        if each.tested > comparison.samples:
            yield f"{label} was tested on {each.tested:,} samples; {each.tested - comparison.samples:,} are not shared"
    if comparison.relabelled:
        yield (
            f"the outcome of {comparison.relabelled:,} samples was known differently to some version: that of the "
            "version that knew most counts"
        )
    wider = " together" if len(comparison.versions) > 2 else ""
    if comparison.versions[0].failures is not None:
        yield "a failure that was missed counts as no hours of warning; each version alerts at its own threshold"
    yield (
        f"intervals are by asset, paired, {comparison.confidence:.0%}{wider}; one that holds zero leaves it open which "
        "version is better"
    )
    yield "whoever picks the best of many versions on these samples picks some luck too: later data decide"


def figure_rows(comparison: VersionComparison) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return each figure in words with its value for each version."""
    versions = comparison.versions
    for name in versions[0].figures:
        kind = KINDS[name]
        yield kind.words, tuple(_number(each.figures[name], kind.form) for each in versions)
    if versions[0].failures is None:
        return
    yield "failures caught", tuple(f"{each.caught} of {each.failures}" for each in versions)
    yield "false alarms", tuple(f"{each.false_alarms:,}" for each in versions)
    yield "first alert to failure, hours: median", tuple(_lead(each, 1) for each in versions)
    yield "  a tenth shorter than", tuple(_lead(each, 0) for each in versions)
    yield "  a tenth longer than", tuple(_lead(each, 2) for each in versions)
    if versions[0].calibration is not None:
        yield "calibration slope (1 is best)", tuple(_slope(each) for each in versions)
        yield (
            "calibration intercept (0 is best)",
            tuple(_number(each.calibration.intercept if each.calibration else math.nan, ".2f") for each in versions),
        )
    yield (
        "threshold",
        tuple(_number(math.nan if each.threshold is None else each.threshold, ".3g") for each in versions),
    )


def difference_rows(comparison: VersionComparison) -> Iterator[tuple[str, str, str, str, Difference]]:
    """Return version, figure, difference with its interval, and what follows, of every version but the first."""
    first, *others = labels(comparison)
    for label, each in zip(others, comparison.versions[1:], strict=True):
        for difference in each.differences:
            kind = KINDS[difference.figure]
            yield label, kind.words, interval(difference), verdict(difference, first), difference


def interval(difference: Difference) -> str:
    """Write a difference with its interval."""
    form = f"+{KINDS[difference.figure].form}"
    value = _number(difference.value, form)
    if math.isnan(difference.low):
        return f"{value} (no interval)"
    return f"{value} ({difference.low:{form}} to {difference.high:{form}})"


def verdict(difference: Difference, first: str) -> str:
    """Say what follows from a difference."""
    if difference.verdict == "undecided":
        few = math.isnan(difference.low)
        return "too few assets to say" if few else "no difference beyond chance"
    return f"{difference.verdict} than {first}"


def summary(comparison: VersionComparison) -> Iterator[str]:
    """Say of each version but the first in what it is better and worse, if in anything."""
    first, *others = labels(comparison)
    for label, each in zip(others, comparison.versions[1:], strict=True):
        said = [
            f"{word} in {_listed([KINDS[one.figure].words for one in chosen])}"
            for word in ("better", "worse")
            if (chosen := [one for one in each.differences if one.verdict == word])
        ]
        yield f"{label} against {first}: {', '.join(said) or 'no figure differs beyond chance'}"


def change_rows(comparison: VersionComparison) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return what was configured differently, with the value of each version."""
    for change in comparison.changes:
        name = f"data: {change.name}" if change.group == "data" else change.name
        yield name, change.values
    columns = [each.columns for each in comparison.versions if each.columns is not None]
    if any(each.added or each.removed for each in columns):
        yield "columns", tuple(f"{each.count:,}" for each in columns)
        yield (
            "  added, removed",
            tuple(
                "-" if not number else f"+{len(each.added)}, -{len(each.removed)}"
                for number, each in enumerate(columns)
            ),
        )


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _lead(version: VersionFigures, number: int) -> str:
    return "-" if version.lead_time_h is None else _number(version.lead_time_h[number], ",.1f")


def _slope(version: VersionFigures) -> str:
    slope = version.calibration
    if slope is None or math.isnan(slope.slope):
        return "-"
    if math.isnan(slope.slope_low):
        return f"{slope.slope:.2f}"
    return f"{slope.slope:.2f} ({slope.slope_low:.2f} to {slope.slope_high:.2f})"


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)
