"""Diagnosis: faults of the data or the plant, found before a model is blamed.

Broken contracts, sensors that were swapped or recalibrated, missing channels, and a plant that is operated differently
all look like a model that has become worse, and are none. Where only some assets are concerned, the model is judged
without them; where too many are, the verdict is frozen.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from models.diagnosis.data_faults import contract_breaches, missing_channels, silent_assets
from models.diagnosis.diagnosis_types import DiagnosisInputs as DiagnosisInputs
from models.diagnosis.diagnosis_types import Finding as Finding
from models.diagnosis.diagnosis_types import Limits as Limits
from models.diagnosis.sensor_changes import regime_shift, sensor_changes


@dataclass(frozen=True)
class Diagnosis:
    """Findings, and the assets whose outcomes must not count."""

    findings: tuple[Finding, ...] = ()  # those that freeze the verdict first
    set_aside: Mapping[str, pd.Timestamp] = field(default_factory=dict)  # assets, each from when on

    @property
    def frozen(self) -> bool:
        """Whether there can be no verdict on the model."""
        return any(finding.severity == "freeze" for finding in self.findings)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The findings in plain words."""
        return tuple(finding.sentence for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as plain values, times in ISO 8601."""
        return {
            "frozen": self.frozen,
            "findings": [finding.to_dict() for finding in self.findings],
            "set_aside": {asset: time.isoformat() for asset, time in self.set_aside.items()},
        }


def diagnose(inputs: DiagnosisInputs, limits: Limits | None = None) -> Diagnosis:
    """Find what is wrong with the data or the plant; no findings when nothing is."""
    limits = limits or Limits()
    findings = tuple(
        itertools.chain(
            contract_breaches(inputs, limits),
            silent_assets(inputs, limits),
            missing_channels(inputs, limits),
            sensor_changes(inputs, limits),
            regime_shift(inputs, limits),
        )
    )
    set_aside: dict[str, pd.Timestamp] = {}
    for asset, time in itertools.chain.from_iterable(finding.set_aside.items() for finding in findings):
        set_aside[asset] = min(time, set_aside.get(asset, time))
    too_many = len(set_aside) > limits.most_assets * max(len(inputs.assets), 1)
    with_consequences = (_with_consequence(finding, too_many) for finding in findings)
    ordered = sorted(with_consequences, key=lambda finding: finding.severity != "freeze")
    return Diagnosis(tuple(ordered), dict(sorted(set_aside.items())))


def _with_consequence(finding: Finding, too_many: bool) -> Finding:
    if not finding.set_aside:
        return finding
    if too_many:
        sentence = f"{finding.sentence} With so many assets in doubt there is no verdict on the model."
        return replace(finding, sentence=sentence, severity="freeze")
    sentence = f"{finding.sentence} Their outcomes since then do not count, neither for the model nor against it."
    return replace(finding, sentence=sentence)
