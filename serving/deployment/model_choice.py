"""Which model an endpoint serves where none is named and a type has champions for failures and for anomalies.

A model of failures that earned its place answers. Where it was promoted by request, because it had too little to learn
from, or where there is none, the model of anomalies does.
"""

from dataclasses import dataclass

import pandas as pd

from data_contracts.errors import ModelError, UsageError
from data_contracts.records.records import open_records, promotions
from data_contracts.workspace import Workspace
from models.cold_start.readiness import untrained_types
from models.cold_start.type_models import TypeModel, type_models
from models.registry.registry import Registry
from serving.deployment.champion import choose_model

ANOMALY = "anomaly"
BY_REQUEST = "Promoted by request"
"""How the ledger's reason begins where a training promoted a model that was not shown to be better than none."""


@dataclass(frozen=True)
class ModelChoice:
    """The model to serve, and why it where there is another one."""

    name: str
    reason: str | None = None


def choose_served_model(workspace: Workspace) -> ModelChoice:
    """Choose among the champions of a workspace.

    ModelError if there is none; UsageError if several have one and the rule does not decide between them.
    """
    registry = Registry(workspace)
    names = registry.names()
    try:
        return ModelChoice(choose_model(names, registry.champion))
    except ModelError as error:
        now = pd.Timestamp.now("UTC")
        types = [each.words for each in untrained_types(workspace, (), now=now)]
        raise ModelError("; ".join([error.found, *types]), error.expected, error.remedy) from error
    except UsageError:
        champions = [name for name in names if registry.champion(name) is not None]
        models = type_models(registry)
        if len(champions) != len(models) or (choice := _between(workspace, models)) is None:
            raise
        return choice


def _between(workspace: Workspace, models: tuple[TypeModel, ...]) -> ModelChoice | None:
    anomaly = [model for model in models if model.target == ANOMALY]
    others = [model for model in models if model.target != ANOMALY]
    if len(anomaly) != 1 or len(others) != 1:
        return None
    detector, failure = anomaly[0], others[0]
    if (detector.asset_type, detector.plant) != (failure.asset_type, failure.plant):
        return None
    if promoted_by_request(workspace, failure):
        why = (
            f"{failure.name} version {failure.version} was promoted by request, without having shown that it is better"
        )
        return ModelChoice(detector.name, f"{why} than none; name it with --model to serve it all the same")
    why = f"{failure.name} predicts {failure.target.replace('_', ' ')}, which says more than {detector.name}"
    return ModelChoice(failure.name, f"{why}; name that with --model to serve it")


def promoted_by_request(workspace: Workspace, model: TypeModel) -> bool:
    """Return whether a champion is one only because whoever trained it asked for that."""
    ledger = promotions(open_records(workspace.records_url), model_name=model.name)
    own = ledger[ledger["to_version"] == model.version]
    if own.empty:
        return False
    last = own.iloc[-1]
    # A model that was good enough may have been asked for, too.
    return bool(last["evidence"].get("insisted")) and str(last["reason"]).startswith(BY_REQUEST)
