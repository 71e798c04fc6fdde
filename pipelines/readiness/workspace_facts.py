"""What the checks look at: the champion of a workspace and its records, each read once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from data_contracts.contract.contract_types import Contract
from data_contracts.contract.registered import find_telemetry_contract
from data_contracts.records.records import MonitorRun, decisions, list_records, open_records, promotions
from data_contracts.workspace import Workspace
from models.artifact.artifact import Artifact
from models.artifact.golden_inputs import GoldenInputs
from models.refitting.tags import refit_of
from models.registry.promotion import Records
from models.registry.registration.run_record import PREDICTIONS_FILE
from models.registry.registry import Registry
from pipelines.evidence.champion import MonitoredModel, load_champion
from pipelines.settings.settings import Settings

RECENT = pd.Timedelta(days=30)


@dataclass(frozen=True)
class WorkspaceFacts:
    """A workspace, its champion of one model, and what is known about both at a time."""

    workspace: Workspace
    settings: Settings
    model_name: str
    now: pd.Timestamp

    @cached_property
    def registry(self) -> Registry:
        """Return the registry."""
        return Registry(self.workspace)

    @cached_property
    def records(self) -> Records:
        """Return the records."""
        return open_records(self.workspace.records_url)

    @cached_property
    def champion(self) -> MonitoredModel:
        """Return the champion; `NotFoundError` if there is none."""
        return load_champion(self.workspace, self.model_name)

    @property
    def artifact(self) -> Artifact:
        """Return what the champion predicts with."""
        return self.champion.model.artifact

    @property
    def version(self) -> int:
        """Return the champion's version."""
        return self.champion.model.version

    @property
    def judged_version(self) -> int:
        """Return the version that was evaluated: the champion, or the one that it is a refit of."""
        return refit_of(self.champion.model.tags) or self.version

    @cached_property
    def contract(self) -> Contract | None:
        """Return the present contract of the champion's telemetry."""
        return find_telemetry_contract(self.workspace.contracts, self.artifact.recipe.asset_type)

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """Return the promotions up to now."""
        made = promotions(self.records, model_name=self.model_name)
        return made[made["at"] <= self.now]

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Return the figures of the champion's evaluation."""
        return self.registry.metrics(self.model_name, self.judged_version)

    @cached_property
    def test_predictions(self) -> pd.DataFrame:
        """Return the samples of the champion's test with what was predicted."""
        with self.registry.run_file(self.model_name, self.judged_version, PREDICTIONS_FILE) as file:
            return pd.read_parquet(file)

    @cached_property
    def golden(self) -> GoldenInputs | None:
        """Return the champion's golden inputs; None if it has none."""
        return self.registry.golden_inputs(self.model_name, self.version)

    @cached_property
    def last_look(self) -> dict[str, Any] | None:
        """Return the monitor's last decision on the champion up to now; None without any."""
        own = decisions(self.records, model_name=self.model_name)
        looks = list_records(self.records, MonitorRun, model_name=self.model_name)
        times = looks.loc[looks["model_version"] == self.version, "at"]
        own = own[(own["model_version"] == self.version) & own["at"].isin(times) & (own["at"] <= self.now)]
        own = own[[isinstance(evidence, dict) and "drift" in evidence for evidence in own["evidence"]]]
        return None if own.empty else {str(name): value for name, value in own.iloc[-1].items()}
