"""A model's ledger of value from what a workspace has stored: for the command line and the endpoint alike."""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.records.draw_records import alarm_draws, undrawn_alerts
from data_contracts.tables.history import read_history
from data_contracts.workspace import Workspace
from models.experiment.experiment import Experiment
from models.experiment.stored_crossings import with_stored_crossings
from models.planning.cost_settings import CostSettings
from models.registry.registry import LoadedModel
from models.training.samples import required_terms
from models.value.alarms import alarm_history, undrawn_alarms
from models.value.ledger import ValueLedger, value_ledger
from models.value.settings import ValueSettings

Records = Any
"""The engine that `data_contracts.records.records.open_records` gives; its library is named in that folder only."""


@dataclass(frozen=True)
class Scope:
    """Which alarms count: of one plant or all, opened in [since, until)."""

    plant: str | None = None
    since: pd.Timestamp | None = None
    until: pd.Timestamp | None = None
    time_zone: str = "UTC"  # of the months


_ALL = Scope()
_USUAL = ValueSettings()


def gather_value(
    workspace: Workspace,
    records: Records,
    model: LoadedModel,
    *,
    now: pd.Timestamp,
    costs: CostSettings,
    settings: ValueSettings = _USUAL,
    scope: Scope = _ALL,
    gap: pd.Timedelta | None = None,
    reporting_delay: pd.Timedelta | None = None,
) -> ValueLedger:
    """Gather the ledger of all versions of a model, by what is known at `now`.

    `model` is the version whose experiment says what alarms claim: the champion. `gap` and `reporting_delay` replace
    its own, where the settings of the monitor say so. `ModelError` if the model raises no alarms that can be counted,
    `NotFoundError` for an unknown plant.
    """
    experiment = Experiment.from_json(model.tags["experiment"])
    _refuse_without_alarms(model, experiment)
    data, plant = experiment.data, scope.plant
    # Only failures and work orders are needed; with `start` at now no telemetry is read.
    history = read_history(workspace, data.asset_type, plant=plant or data.plant, as_of=now, start=now)
    history = with_stored_crossings(workspace, experiment, history, now=now)
    terms = required_terms(experiment, history, now)
    terms = replace(terms, gap=gap or terms.gap)
    terms = terms if reporting_delay is None else replace(terms, reporting_delay=reporting_delay)
    draws = alarm_draws(records, model_name=model.name, known=now)
    alerts = undrawn_alerts(records, model_name=model.name, known=now)
    if plant is not None:
        own = set(history.assets["asset"])
        draws, alerts = (frame[frame["asset"].isin(own)].reset_index(drop=True) for frame in (draws, alerts))
    alarms = alarm_history(
        draws,
        undrawn_alarms(alerts, terms),
        history.predicted_failures,
        history.work_orders,
        assets=history.assets,
        now=now,
        terms=terms,
        since=scope.since,
        until=scope.until,
        time_zone=scope.time_zone,
    )
    return value_ledger(alarms, costs, settings.confidence)


def _refuse_without_alarms(model: LoadedModel, experiment: Experiment) -> None:
    artifact = model.artifact
    if experiment.label.horizon is None or artifact.threshold is None or experiment.target == "condition":
        found = f"{model.name} version {model.version} raises no alarms"
    elif artifact.clock.cycle is not None:
        found = f"the times of {model.name} count cycles, which belong to no month"
    else:
        return
    raise ModelError(
        found,
        "a model in time, with a horizon and a threshold, whose alarms somebody acts on",
        "Name another one with --model",
    )
