"""What is wrong with the data or the plant, named before a model is blamed.

Contracts that are broken, sensors that were swapped or recalibrated, channels that are missing, and a plant that is run
in another way all look like a model that has become worse, and are none. Where only some assets are concerned, the
verdict on the model goes on without them; where too many are, it is frozen.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from models.diagnosis.data_faults import breaches, missing_channels, silent_assets
from models.diagnosis.diagnosis_types import DiagnosisInputs as DiagnosisInputs
from models.diagnosis.diagnosis_types import Finding as Finding
from models.diagnosis.diagnosis_types import Limits as Limits
from models.diagnosis.sensor_changes import regime_shift, sensor_changes


@dataclass(frozen=True)
class Diagnosis:
    """What was found before the model is looked at.

    Parameters
    ----------
    findings : tuple of Finding
        Those that freeze the verdict first.
    set_aside : mapping of str to pd.Timestamp
        Assets whose outcomes must not count, each from when on.
    """

    findings: tuple[Finding, ...] = ()
    set_aside: Mapping[str, pd.Timestamp] = field(default_factory=dict)

    @property
    def frozen(self) -> bool:
        """Say whether there can be no verdict on the model."""
        return any(finding.severity == "freeze" for finding in self.findings)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return what was found in plain words."""
        return tuple(finding.sentence for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as plain values, times in ISO 8601."""
        return {
            "frozen": self.frozen,
            "findings": [finding.to_dict() for finding in self.findings],
            "set_aside": {asset: time.isoformat() for asset, time in self.set_aside.items()},
        }


def diagnose(evidence: DiagnosisInputs, limits: Limits | None = None) -> Diagnosis:
    """Name what is wrong with the data or the plant.

    Parameters
    ----------
    evidence : DiagnosisInputs
        What is known of them.
    limits : Limits, optional
        From where on something is worth a finding.

    Returns
    -------
    Diagnosis
        Without findings when nothing is wrong.
    """
    limits = limits or Limits()
    found = tuple(
        itertools.chain(
            breaches(evidence, limits),
            silent_assets(evidence, limits),
            missing_channels(evidence, limits),
            sensor_changes(evidence, limits),
            regime_shift(evidence, limits),
        )
    )
    set_aside: dict[str, pd.Timestamp] = {}
    for asset, time in itertools.chain.from_iterable(finding.set_aside.items() for finding in found):
        set_aside[asset] = min(time, set_aside.get(asset, time))
    too_many = len(set_aside) > limits.most_assets * max(len(evidence.assets), 1)
    told = sorted((_with_consequence(finding, too_many) for finding in found), key=lambda one: one.severity != "freeze")
    return Diagnosis(tuple(told), dict(sorted(set_aside.items())))


def _with_consequence(finding: Finding, too_many: bool) -> Finding:
    if not finding.set_aside:
        return finding
    if too_many:
        sentence = f"{finding.sentence} With so many assets in doubt there is no verdict on the model."
        return replace(finding, sentence=sentence, severity="freeze")
    sentence = f"{finding.sentence} What follows on them does not count, neither for the model nor against it."
    return replace(finding, sentence=sentence)
