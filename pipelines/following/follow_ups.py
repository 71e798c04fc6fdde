"""Follows telemetry beside the one who stores it, so that storing waits for nobody."""

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.workspace import Workspace
from models.hold_back.policy import PolicySettings
from pipelines.following.stream_follower import StreamFollower

if TYPE_CHECKING:
    from pipelines.jobs.score import ScoreResult

_LOGGER = logging.getLogger("forewarn.following")


@dataclass
class FollowSummary:
    """What has followed so far."""

    windows: int = 0  # versions of windows of indicators that were stored
    scored: int = 0  # predictions
    alerts: int = 0
    failures: int = 0
    error: str = ""  # the latest failure, until what failed succeeds
    behind_seconds: float = 0.0  # how long the latest commit waited for what follows from it
    results: "list[ScoreResult]" = field(default_factory=list)  # the latest of each model

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        plain = {name: value for name, value in vars(self).items() if name != "results"}
        return plain | {"behind_seconds": round(self.behind_seconds, 3)}


class FollowUps:
    """A thread that brings indicators and predictions up to the telemetry whenever some was stored.

    What is stored while it works is followed together afterwards: it cannot fall behind for good.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        policy: PolicySettings,
        on_scored: Callable[["ScoreResult"], None] = lambda _: None,
        engine: BlockEngine | None = None,
    ) -> None:
        self.summary = FollowSummary()
        self._on_scored = on_scored
        self._follower = StreamFollower(workspace, policy=policy, on_scored=self._scored, engine=engine)
        self._waiting: dict[str, float] = {}  # asset types, and since when
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="follow-ups", daemon=True)
        self._thread.start()

    def note(self, asset_types: Collection[str]) -> None:
        """Say that telemetry of some asset types was stored."""
        with self._changed:
            for asset_type in asset_types:
                self._waiting.setdefault(asset_type, time.monotonic())
            self._changed.notify()

    def close(self) -> FollowSummary:
        """Follow what was stored until now, and end."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        return self.summary

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._closing)
                waiting, self._waiting = self._waiting, {}
            if not waiting:
                return
            self._follow(waiting)

    def _follow(self, waiting: dict[str, float]) -> None:
        try:
            followed = self._follower.follow(waiting.keys(), now=pd.Timestamp.now("UTC").as_unit("us"))
        except Exception as error:  # the thread must go on: what fails now may not with the next commit
            _LOGGER.exception("what follows from telemetry failed")
            self.summary.failures += 1
            self.summary.error = f"{type(error).__name__}: {error}"
            return
        self.summary.windows += sum(followed.windows.values())
        self.summary.failures += len(followed.errors)
        self.summary.error = followed.errors[0].found if followed.errors else ""
        self.summary.behind_seconds = time.monotonic() - min(waiting.values())

    def _scored(self, result: "ScoreResult") -> None:
        self.summary.scored += result.stored
        self.summary.alerts += len(result.alerts)
        others = [each for each in self.summary.results if each.model_name != result.model_name]
        self.summary.results = [*others, result]
        self._on_scored(result)
