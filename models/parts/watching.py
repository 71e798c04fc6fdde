"""The champions that watched a fleet at a time, and how early their alarms announce failures."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.records.asset_records import alert_probabilities, predicted_alerts
from data_contracts.records.records import promotions
from models.artifact.announcement import USUAL_GAP
from models.experiment.experiment import Experiment
from models.outcomes.reference_tags import read_reference
from models.parts.alarm_warning import AlarmWarning, assumed_warning, kept_share, measured_warning, share
from models.registry.ledger import champion_stack
from models.registry.registry import Registry
from models.registry.version_files import trained_terms

_MEASURED_OVER = pd.Timedelta(days=365)
_REPORTED_WITHIN = pd.Timedelta(days=2)


@dataclass(frozen=True)
class WatchingModel:
    """A champion whose alarms announce failures with a probability."""

    name: str
    version: int
    asset_type: str
    plant: str | None  # that it watches alone; None for all
    warning: AlarmWarning
    gap: pd.Timedelta = USUAL_GAP  # alerts no further apart are one alarm

    @property
    def claim(self) -> pd.Timedelta:
        """Return the time from a cut-off to the end of what its alerts claim."""
        return self.warning.claim


def watching_models(
    registry: Registry, records: Any, repairs: pd.DataFrame, as_of: pd.Timestamp
) -> tuple[tuple[WatchingModel, ...], tuple[str, ...]]:
    """Return the champions of a time whose alarms announce booked failures, and the names of the others.

    `repairs` are those known then, of `past_use.known_repairs`.
    """
    found, others = [], []
    for name in registry.names():
        ledger = promotions(records, model_name=name)
        stack = champion_stack(ledger[ledger["at"] <= as_of])
        if not stack:
            continue
        model = _model(records, name, stack[-1], registry.tags(name, stack[-1]), repairs, as_of)
        if model is None:
            others.append(name)
        else:
            found.append(model)
    return tuple(found), tuple(others)


def _model(
    records: Any, name: str, version: int, tags: Mapping[str, str], repairs: pd.DataFrame, as_of: pd.Timestamp
) -> WatchingModel | None:
    if "experiment" not in tags:
        return None
    experiment = Experiment.from_json(tags["experiment"])
    # A crossing of a threshold has no mode whose repair takes a part.
    if experiment.target != "failure" or experiment.label.condition is not None:
        return None
    claim, since = experiment.purge, as_of - _MEASURED_OVER
    alerts = predicted_alerts(records, model_name=name, model_version=version, since=since, until=as_of, made_by=as_of)
    own = repairs[repairs["asset"].isin(set(alerts["asset"]))].drop_duplicates(["asset", "event_time"])
    warning = measured_warning(claim, alerts, own[["asset", "event_time"]]) or _as_evaluated(claim, tags)
    known = as_of - claim - _REPORTED_WITHIN
    given = alert_probabilities(records, model_name=name, model_version=version, since=since, until=known)
    warning = replace(warning, kept=kept_share(given[given["made_at"] <= as_of], own, claim))
    gap = trained_terms(tags).alarm_gap
    of_alarms = USUAL_GAP if gap is None else gap
    return WatchingModel(name, version, experiment.data.asset_type, experiment.data.plant, warning, of_alarms)


def _as_evaluated(claim: pd.Timedelta, tags: Mapping[str, str]) -> AlarmWarning:
    """Return the warning by the version's evaluation; nothing is announced where that counted no failures."""
    reference = read_reference(tags)
    if reference is None or not np.isfinite(reference.missed.value):
        return assumed_warning(claim, 1.0, 0)
    missed = reference.missed
    return assumed_warning(claim, share(missed.count, missed.of), round(missed.of))
