"""What the endpoint keeps of an asset type's stored data from request to request, each part read when it changes."""

from collections.abc import Iterable
from contextlib import suppress

import pandas as pd

from data_contracts.errors import StorageError
from data_contracts.tables.readings import ReadingRhythm, reading_rhythm
from data_contracts.workspace import Workspace
from models.artifact.absences import own_present
from models.artifact.artifact import Artifact
from models.artifact.staleness import Staleness, contract_of, limit_of_type, staleness
from serving.prediction.asset_states import AssetStates
from serving.prediction.broken_contracts import BrokenContracts
from serving.prediction.stored_fleet import StoredFleet, StoredTables
from serving.prediction.stored_telemetry import LatestTelemetry


class StoredKnowledge:
    """The latest telemetry, records, states, broken contracts and rhythm of the assets of each type."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.tables = StoredTables(workspace)
        self._latest: dict[str, LatestTelemetry] = {}
        self._fleets: dict[str, StoredFleet] = {}
        self._broken: dict[str, BrokenContracts] = {}
        self._states: dict[str, AssetStates] = {}
        self._rhythms: dict[str, ReadingRhythm] = {}

    def latest_telemetry(self, asset_type: str) -> LatestTelemetry:
        """Return the latest times of the telemetry of an asset type."""
        return self._latest.setdefault(asset_type, LatestTelemetry(self.workspace, asset_type))

    def fleet(self, asset_type: str) -> StoredFleet:
        """Return what else is stored about the assets of a type."""
        return self._fleets.setdefault(asset_type, StoredFleet(self.workspace, asset_type, self.tables))

    def broken_contracts(self, asset_type: str) -> BrokenContracts:
        """Return which assets of a type have telemetry in quarantine."""
        broken = BrokenContracts(self.workspace, self.latest_telemetry(asset_type))
        return self._broken.setdefault(asset_type, broken)

    def asset_states(self, asset_type: str) -> AssetStates:
        """Return which assets of a type do not run."""
        states = AssetStates(self.workspace, self.fleet(asset_type), self.latest_telemetry(asset_type))
        return self._states.setdefault(asset_type, states)

    def staleness(self, artifact: Artifact, setting: str) -> Staleness:
        """Return how old a model's telemetry may be; how often readings come is measured once, as soon as any do."""
        asset_type = artifact.recipe.asset_type
        limit = staleness(artifact, setting=setting, contract=contract_of(self.workspace, asset_type))
        if limit.source != "window":
            return limit
        rhythm = self._rhythm(asset_type)
        return limit if rhythm is None else staleness(artifact, rhythm=rhythm)

    def longest_age(self, asset_type: str, setting: str) -> pd.Timedelta | None:
        """Return how old the telemetry of a type may be, whatever its model; None for any age, or where none is."""
        contract, rhythm = contract_of(self.workspace, asset_type), None
        if not setting and (contract is None or contract.max_age is None):
            rhythm = self._rhythm(asset_type)
        limit = limit_of_type(setting=setting, contract=contract, rhythm=rhythm)
        return None if limit is None else limit.limit

    def own_presents(self, artifact: Artifact, assets: Iterable[str]) -> dict[str, pd.Timestamp]:
        """Return the present of each asset with telemetry where times count cycles; none where times are times."""
        if artifact.clock.cycle is None:
            return {}
        asset_type = artifact.recipe.asset_type
        known, rhythm = self.latest_telemetry(asset_type).known_times(), self._rhythm(asset_type)
        return {asset: own_present(known[asset], artifact.clock, rhythm) for asset in assets if asset in known}

    def _rhythm(self, asset_type: str) -> ReadingRhythm | None:
        """Measure once how often readings come, as soon as any do."""
        if asset_type not in self._rhythms:
            measured = reading_rhythm(self.workspace, f"telemetry/{asset_type}")
            if measured is None:
                return None
            self._rhythms[asset_type] = measured
        return self._rhythms[asset_type]

    def warm_up(self, artifact: Artifact, setting: str) -> None:
        """Read all of it before the first request; if that fails, the first request reports it."""
        asset_type = artifact.recipe.asset_type
        with suppress(StorageError):
            self.latest_telemetry(asset_type).known_times()
            self.broken_contracts(asset_type).reasons({})
            self.fleet(asset_type).history([], (), pd.DataFrame())
            self.staleness(artifact, setting)
