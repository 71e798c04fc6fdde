"""When failures were foreseen, had every reading been known at once: the same on a fast and on a slow computer."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from data_contracts.contract.registered import recorded_type
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import Workspace
from models.artifact.scoring import score
from pipelines.evidence.champion import load_champion
from pipelines.fleet.live.machines.live_plant import ASSET_TYPE
from pipelines.fleet.live.run import LiveResult


@dataclass(frozen=True)
class ForeseenFailure:
    """A failure, and the first cut-off before it at which a champion alerts."""

    asset: str
    failed: pd.Timestamp
    as_of: pd.Timestamp | None  # None if at no cut-off before it

    @property
    def seconds_before(self) -> float | None:
        """Return how long before the failure that is."""
        return None if self.as_of is None else round((self.failed - self.as_of).total_seconds(), 1)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        as_of = None if self.as_of is None else self.as_of.isoformat()
        return {
            "asset": self.asset,
            "failed": self.failed.isoformat(),
            "as_of": as_of,
            "seconds_before": self.seconds_before,
        }


def foreseen_failures(workspace: Workspace, models: Collection[str], run: LiveResult) -> tuple[ForeseenFailure, ...]:
    """Score each machine that failed once in every stride before it did, by the event times of what is stored."""
    return tuple(
        ForeseenFailure(each["asset"], failed, _first_alert(workspace, models, each["asset"], run.since, failed))
        for each in run.failures
        for failed in [pd.Timestamp(each["event_time"])]
    )


def _first_alert(
    workspace: Workspace, models: Collection[str], asset: str, since: pd.Timestamp, failed: pd.Timestamp
) -> pd.Timestamp | None:
    found = list[pd.Timestamp]()
    for name in models:
        champion = load_champion(workspace, name)
        if recorded_type(workspace.contracts, champion.experiment.data.asset_type) != ASSET_TYPE:
            continue  # a model of other machines
        cut_offs = pd.date_range(since, failed, freq=champion.experiment.windows.stride, inclusive="left", unit="us")
        history = read_history(workspace, champion.experiment.data.asset_type, assets=[asset])
        grid = pd.DataFrame({"asset": asset, "as_of": cut_offs})
        scores = score(champion.model.artifact, _known_at_once(history), grid)
        found += scores.loc[scores["alert"].astype(bool), "as_of"].tolist()
    return min(found, default=None)


def _known_at_once(history: History) -> History:
    """Return a history whose last versions of telemetry were known when they happened."""
    latest = history.telemetry.sort_values("known_time", kind="stable")
    latest = latest.drop_duplicates(["asset", "event_time", "source"], keep="last").sort_values(["asset", "event_time"])
    return replace(history, telemetry=latest.assign(known_time=latest["event_time"]).reset_index(drop=True))
