"""What follows from telemetry as soon as it is stored: indicators, and predictions at the champions' strides.

What scores is imported when there is a champion: a listener is to be back at once, and many have none.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from data_contracts.errors import ForewarnError
from data_contracts.tables import tables
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.workspace import Workspace
from models.hold_back.policy import PolicySettings
from models.registry.registry import CHAMPION, Registry
from pipelines.indicators.definitions import defined
from pipelines.indicators.follow import IndicatorFollower

if TYPE_CHECKING:
    from pipelines.evidence.champion import MonitoredModel
    from pipelines.jobs.score import ScoreResult

_EPOCH = pd.Timestamp(0, tz="UTC")
_NO_HOLD_BACK = PolicySettings()
_LOOK_EVERY = pd.Timedelta(seconds=30)  # for new indicators and champions
OnScored = Callable[["ScoreResult"], None]


@dataclass(frozen=True)
class Followed:
    """What followed from some commits."""

    windows: Mapping[str, int] = field(default_factory=dict)  # versions of windows stored, by name of the indicators
    scored: "tuple[ScoreResult, ...]" = ()
    errors: tuple[ForewarnError, ...] = ()


@dataclass
class _Scored:
    """A champion, and up to which telemetry the fleet was scored last."""

    version: int
    stride: pd.Timedelta
    lookback: pd.Timedelta
    asset_type: str
    until: pd.Timestamp | None = None  # the event time of the latest telemetry that was scored

    def is_due(self, latest: pd.Timestamp) -> bool:
        """Return whether telemetry reaches into another stride than when the fleet was scored last."""
        return self.until is None or (latest - _EPOCH) // self.stride > (self.until - _EPOCH) // self.stride


class StreamFollower:
    """Brings indicators and predictions up to the telemetry, commit by commit.

    The fleet is scored with each champion that has a stride, once in every stride of event time, as of the latest
    telemetry then known; by `policy` some alarms are held back. A failure of one is no failure of the others, and is
    tried again at the next commit. `engine` computes indicators and features, this process if None.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        policy: PolicySettings = _NO_HOLD_BACK,
        on_scored: OnScored = lambda _: None,
        engine: BlockEngine | None = None,
    ) -> None:
        self._workspace, self._policy, self._on_scored, self._engine = workspace, policy, on_scored, engine
        self._followers: dict[str, IndicatorFollower] = {}
        self._champions: dict[str, _Scored] = {}
        self._looked: pd.Timestamp | None = None

    def follow(self, asset_types: Collection[str], *, now: pd.Timestamp) -> Followed:
        """Do what follows from new telemetry of some asset types."""
        errors = list[ForewarnError]()
        if self._looked is None or now - self._looked >= _LOOK_EVERY:
            self._look(errors)
            self._looked = now
        windows = dict[str, int]()
        for name, follower in self._followers.items():
            if follower.indicators.plan.asset_type in asset_types:
                try:
                    windows[name] = follower.follow().windows
                except ForewarnError as error:
                    errors.append(error)
        fresh = {*asset_types, *(name for name, stored in windows.items() if stored)}
        due = [(name, champion) for name, champion in self._champions.items() if champion.asset_type in fresh]
        scored = [self._score(name, champion, now, errors) for name, champion in due]
        return Followed(windows, tuple(result for result in scored if result is not None), tuple(errors))

    def _look(self, errors: list[ForewarnError]) -> None:
        """Find new indicators and champions."""
        from pipelines.evidence.champion import load_champion

        try:
            for each in defined(self._workspace):
                follower = IndicatorFollower(self._workspace, each, engine=self._engine)
                self._followers.setdefault(each.plan.name, follower)
            registry = Registry(self._workspace)
            for name in registry.names():
                version = registry.get_alias(name, CHAMPION)
                known = self._champions.get(name)
                if version is None:
                    self._champions.pop(name, None)
                elif known is None or known.version != version:
                    self._take(name, load_champion(self._workspace, name), known)
        except ForewarnError as error:
            errors.append(error)

    def _take(self, name: str, champion: "MonitoredModel", before: _Scored | None) -> None:
        stride, recipe = champion.experiment.windows.stride, champion.model.artifact.recipe
        if stride is None or champion.model.artifact.clock.cycle is not None:
            self._champions.pop(name, None)
            return
        until = None if before is None else before.until
        self._champions[name] = _Scored(champion.model.version, stride, recipe.lookback, recipe.asset_type, until)

    def _score(
        self, name: str, champion: _Scored, now: pd.Timestamp, errors: list[ForewarnError]
    ) -> "ScoreResult | None":
        from pipelines.jobs.score import score_fleet

        try:
            latest = self._latest(champion, "event_time")
            if latest is None or not champion.is_due(latest):
                return None
            known = self._latest(champion, "known_time")
            result = score_fleet(self._workspace, name, as_of=known, now=now, policy=self._policy, engine=self._engine)
        except ForewarnError as error:
            errors.append(error)
            return None
        champion.until = latest
        self._on_scored(result)
        return result

    def _latest(self, champion: _Scored, column: str) -> pd.Timestamp | None:
        """Return the latest event or known time of a champion's telemetry."""
        start = None if champion.until is None else champion.until - champion.lookback
        table = f"telemetry/{champion.asset_type}"
        times, _ = tables.asset_watermarks(self._workspace, table, start=start, column=column)
        return max(times.values(), default=None)
