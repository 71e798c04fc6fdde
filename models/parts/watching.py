"""The champions that watched a fleet at a time: how far their alarms look ahead, and how many failures they miss."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.records.outcome_records import outcome_rows
from data_contracts.records.records import promotions
from models.experiment.experiment import Experiment
from models.outcomes.outcome_ledger import latest_outcomes
from models.outcomes.reference_tags import read_reference
from models.registry.ledger import champion_stack
from models.registry.registry import Registry

FEWEST_FAILURES = 10
"""With fewer failures in the ledger the share of missed ones is the one that the version was promoted with."""


@dataclass(frozen=True)
class WatchingModel:
    """A champion whose alarms announce failures with a probability."""

    name: str
    version: int
    asset_type: str
    plant: str | None  # that it watches alone; None for all
    claim: pd.Timedelta  # from a cut-off to the end of what its alerts claim
    missed: float  # the share of failures that it does not announce in time
    measured_on: int  # failures, of its own predictions or of its evaluation; 0 where none is trusted

    def watches(self, asset_type: str, plant: str | None) -> bool:
        """Return whether assets of a type at a plant are those it is for."""
        return asset_type == self.asset_type and self.plant in (None, plant)


def watching_models(
    registry: Registry, records: Any, as_of: pd.Timestamp
) -> tuple[tuple[WatchingModel, ...], tuple[str, ...]]:
    """Return the champions of a time whose alarms announce booked failures, and the names of the others."""
    found, others = [], []
    for name in registry.names():
        ledger = promotions(records, model_name=name)
        stack = champion_stack(ledger[ledger["at"] <= as_of])
        if not stack:
            continue
        model = _model(records, name, stack[-1], registry.tags(name, stack[-1]), as_of)
        if model is None:
            others.append(name)
        else:
            found.append(model)
    return tuple(found), tuple(others)


def _model(records: Any, name: str, version: int, tags: dict[str, str], as_of: pd.Timestamp) -> WatchingModel | None:
    if "experiment" not in tags:
        return None
    experiment = Experiment.from_json(tags["experiment"])
    # A crossing of a threshold has no mode whose repair takes a part.
    if experiment.target != "failure" or experiment.label.condition is not None:
        return None
    missed, measured_on = _missed(records, name, version, tags, as_of)
    return WatchingModel(
        name=name,
        version=version,
        asset_type=experiment.data.asset_type,
        plant=experiment.data.plant,
        claim=experiment.purge,
        missed=missed,
        measured_on=measured_on,
    )


def _missed(records: Any, name: str, version: int, tags: dict[str, str], as_of: pd.Timestamp) -> tuple[float, int]:
    """Return the share of failures that no alarm announced: by the ledger, else by the evaluation; all without any."""
    ledger = outcome_rows(records, model_name=name, model_version=version, known=as_of)
    states = latest_outcomes(ledger[ledger["unit"] == "failure"])["state"]
    # A failure before which nothing was predicted was announced by nobody either.
    announced, silent = states.isin(["caught", "prevented"]).sum(), states.isin(["missed", "uncovered"]).sum()
    if announced + silent >= FEWEST_FAILURES:
        return _share(silent, announced + silent), int(announced + silent)
    reference = read_reference(tags)
    if reference is None or not np.isfinite(reference.missed.value):
        return 1.0, 0
    return _share(reference.missed.count, reference.missed.of), round(reference.missed.of)


def _share(missed: float, failures: float) -> float:
    """Return the mean by Jeffreys' prior: that none of a few was missed does not say that none ever is."""
    return float((missed + 0.5) / (failures + 1))
