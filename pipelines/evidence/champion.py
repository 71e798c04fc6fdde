"""A monitored model with its experiment, and the terms on which its alarms are matched to failures."""

from dataclasses import dataclass, replace

import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from models.experiment.experiment import Experiment
from models.experiment.stored_crossings import with_stored_crossings
from models.outcomes.outcomes import Terms
from models.registry.registry import CHAMPION, LoadedModel, Registry
from models.training.samples import alarm_terms
from pipelines.settings.settings import Settings


@dataclass(frozen=True)
class MonitoredModel:
    """A registered version, champion or challenger, and the experiment that trained it."""

    model: LoadedModel
    experiment: Experiment

    @property
    def trained_until(self) -> pd.Timestamp:
        """Its last training cut-off; the label of that sample looked ahead by lead + horizon."""
        return pd.Timestamp(self.model.tags["trained_until"])


def load_champion(workspace: Workspace, name: str) -> MonitoredModel:
    """Load the champion of a registered model; `NotFoundError` if there is none."""
    return monitored_model(Registry(workspace).load(name, CHAMPION))


def monitored_model(model: LoadedModel) -> MonitoredModel:
    """Read a registered version's experiment from its tags."""
    return MonitoredModel(model, Experiment.from_json(model.tags["experiment"]))


def without_verdict(model: LoadedModel) -> str | None:
    """Say why no drift of a model can be decided on, nor a challenger be compared with it; None where both can."""
    artifact = model.artifact
    if artifact.clock.cycle is not None:
        return (
            f"the times of {artifact.recipe.asset_type} count cycles, of each asset from its own beginning: what "
            "happened to different assets has no common order in which a drift could begin, nor a latest part"
        )
    if artifact.target == "condition":
        return "it predicts a value: there are no alarms whose errors could be counted over time"
    return None


def judged_history(workspace: Workspace, champion: MonitoredModel, history: History, *, now: pd.Timestamp) -> History:
    """Return a history with what a model's alarms are judged by at `now`: crossings, where it is about a condition."""
    return with_stored_crossings(workspace, champion.experiment, history, now=now)


def terms(champion: MonitoredModel, history: History, settings: Settings, *, now: pd.Timestamp) -> Terms:
    """Return lead, horizon, gap and reporting delay; `ModelError` if the model raises no alerts.

    The history is that of `judged_history`.

    Gap and reporting delay come from the settings, else from the experiment, else the delay is estimated from the
    failures known by `now`.
    """
    artifact = champion.model.artifact
    if (why := without_verdict(champion.model)) is not None:
        raise ModelError(
            f"no outcomes over time of {champion.model.name}: {why}",
            "a model of failures, or of a crossing, whose contract has times",
            "See its figures with `forewarn monitor`, and train versions with `forewarn train`",
        )
    default = alarm_terms(champion.experiment, history, now)
    if default is None or artifact.threshold is None:
        raise ModelError(
            f"{champion.model.name} version {champion.model.version} raises no alerts",
            "a model with a horizon and a threshold, whose alarms can be right or wrong",
            "Monitor a model of target failure, or give this one a horizon",
        )
    gap, delay = settings.monitor.gap, settings.monitor.reporting_delay
    return replace(
        default,
        gap=default.gap if gap is None else gap,
        reporting_delay=default.reporting_delay if delay is None else delay,
    )
