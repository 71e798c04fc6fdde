"""The champion as the flows need it: the model, the experiment it came from, and how its alarms are judged."""

from dataclasses import dataclass, replace

import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from models.experiment.experiment import Experiment
from models.outcomes.outcomes import Terms
from models.registry.registry import CHAMPION, LoadedModel, Registry
from models.training.samples import alarm_terms
from pipelines.settings.settings import Settings


@dataclass(frozen=True)
class MonitoredModel:
    """A model on duty.

    Parameters
    ----------
    model : LoadedModel
        The registered version.
    experiment : Experiment
        What it was trained by.
    """

    model: LoadedModel
    experiment: Experiment

    @property
    def trained_until(self) -> pd.Timestamp:
        """Return its last training cut-off; its label looked ahead by lead + horizon."""
        return pd.Timestamp(self.model.tags["trained_until"])


def load_champion(workspace: Workspace, name: str) -> MonitoredModel:
    """Load the champion of a model's name.

    Parameters
    ----------
    workspace : Workspace
        Where the registry is.
    name : str
        Of the registered model.

    Returns
    -------
    MonitoredModel
        The model and its experiment.

    Raises
    ------
    NotFoundError
        If there is no such model, or it has no champion.
    """
    return monitored_model(Registry(workspace).load(name, CHAMPION))


def monitored_model(model: LoadedModel) -> MonitoredModel:
    """Read a registered version's experiment from its tags."""
    return MonitoredModel(model, Experiment.from_json(model.tags["experiment"]))


def terms(champion: MonitoredModel, history: History, settings: Settings, *, now: pd.Timestamp) -> Terms:
    """Settle how the champion's alarms are judged.

    Parameters
    ----------
    champion : MonitoredModel
        Its lead and horizon, and its experiment's gap and reporting delay.
    history : History
        Its failures tell how long reports take, where nobody has said so.
    settings : Settings
        Gap and reporting delay, where they are set.
    now : pd.Timestamp
        Nothing known later is used.

    Returns
    -------
    Terms
        Lead, horizon, gap and reporting delay.

    Raises
    ------
    ModelError
        If the model gives no alerts to judge.
    """
    artifact = champion.model.artifact
    usual = alarm_terms(champion.experiment, history, now)
    if usual is None or artifact.threshold is None:
        raise ModelError(
            f"{champion.model.name} version {champion.model.version} raises no alerts",
            "a model with a horizon and a threshold, whose alarms can be right or wrong",
            "Monitor a model of target failure, or give this one a horizon",
        )
    gap, delay = settings.monitor.gap, settings.monitor.reporting_delay
    return replace(
        usual,
        gap=usual.gap if gap is None else gap,
        reporting_delay=usual.reporting_delay if delay is None else delay,
    )
