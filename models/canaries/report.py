"""What the canaries found: findings, figures to compare with, and both in words."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from data_contracts.errors import ModelError

LEAK: Final = "leak"
SUSPICION: Final = "suspicion"
VERDICT_TAG: Final = "leak_verdict"
"""The tag with the verdict in words."""
REPORT_TAG: Final = "leak_report"
"""The tag with the report as JSON."""
ALLOWED_TAG: Final = "leak_allowed"
"""The tag of a version that was registered although it leans on a leak: by whom."""
_MOST_TAGGED = 6


class LeakError(ModelError):
    """A model leans on what cannot be known at the time of a prediction."""


@dataclass(frozen=True)
class Finding:
    """Something that a model cannot, or should not, know.

    Parameters
    ----------
    kind
        Which test found it: ``edge``, ``booking``, ``newest``, ``answer``, ``identity`` or ``shuffled``.
    level
        ``leak`` if no honest model shows it, ``suspicion`` if one may.
    words
        What was found, a sentence without its full stop.
    columns
        The columns, or kinds of records, it was found in.
    """

    kind: str
    level: Literal["leak", "suspicion"]
    words: str
    columns: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"kind": self.kind, "level": self.level, "words": self.words, "columns": list(self.columns)}


@dataclass(frozen=True)
class LeakReport:
    """Hold what the canaries found in one training.

    Parameters
    ----------
    findings
        Leaks first, then suspicions.
    figures
        Scores by name (ROC AUC for failures, R² for numbers), and p-values.
    untested
        What there was too little data to test, or does not apply, in words.
    """

    findings: tuple[Finding, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    untested: tuple[str, ...] = ()

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """Return the findings that no honest model shows."""
        return tuple(finding for finding in self.findings if finding.level == LEAK)

    @property
    def verdict(self) -> str:
        """Return the verdict in one sentence."""
        if self.leaks:
            return "it leans on what it cannot know: " + "; ".join(finding.words for finding in self.leaks)
        if self.findings:
            return "no leak found, but look at this: " + "; ".join(finding.words for finding in self.findings)
        if not self.figures:
            return "not tested: " + "; ".join(self.untested)
        return "no leak found"

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return the verdict, what the figures say, and what could not be tested."""
        untested = ("not tested: " + "; ".join(self.untested),) if self.untested and self.figures else ()
        return (f"leaks: {self.verdict}", *_figure_sentences(self.figures), *untested)

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags of the version."""
        shortened = {**self.to_dict(), "findings": [finding.to_dict() for finding in self.findings[:_MOST_TAGGED]]}
        return {VERDICT_TAG: self.verdict[:1000], REPORT_TAG: json.dumps(shortened, sort_keys=True)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "LeakReport":
        """Read what `to_dict` wrote."""
        findings = tuple(Finding(**{**each, "columns": tuple(each["columns"])}) for each in content["findings"])
        return cls(findings, dict(content["figures"]), tuple(content["untested"]))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "verdict": self.verdict,
            "leaks": len(self.leaks),
            "findings": [finding.to_dict() for finding in self.findings],
            "figures": {name: round(value, 6) for name, value in self.figures.items()},
            "untested": list(self.untested),
        }

    def refuse(self) -> None:
        """Raise a `LeakError` if there is a leak."""
        if self.leaks:
            raise LeakError(
                "the model leans on what it cannot know: " + "; ".join(finding.words for finding in self.leaks),
                "features that were known before what they predict",
                "Correct the known times, or leave those columns out (docs/how-to/leaks.md); nothing was registered. "
                "`forewarn train --allow-leak` registers it all the same",
            )


def _figure_sentences(figures: Mapping[str, float]) -> tuple[str, ...]:
    if "small_model" not in figures:
        return ()
    measure = "ROC AUC" if figures["chance"] == 0.5 else "R²"
    told = {
        "a small model": "small_model",
        "with a shuffled target": "shuffled_mean",
        "knowing the asset's name alone": "asset_alone",
        "the time alone": "time_alone",
        "on assets not seen": "assets_apart",
        "in months not seen": "times_apart",
        "with a peek one horizon ahead": "peek",
    }
    parts = [f"{words} {figures[name]:.3f}" for words, name in told.items() if name in figures]
    text = f"canaries, {measure}: " + ", ".join(parts)
    if "p_value" in figures:
        text += f"; p {figures['p_value']:.2g} by {figures['permutations']:.0f} permutations"
    if "columns_above_random" in figures:
        text += f"; {figures['columns_above_random']:.0f} of {figures['columns']:.0f} columns do more than random ones"
    return (text,)
