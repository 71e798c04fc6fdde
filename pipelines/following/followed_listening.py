"""A listener whose telemetry is followed by indicators and predictions."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.workspace import Workspace
from models.hold_back.policy import read_policy
from pipelines.following.follow_ups import FollowSummary, FollowUps
from pipelines.live.listening.listen import listen
from pipelines.live.listening.listen_summary import Ending, ListenSummary
from pipelines.live.listening.listener import Report
from pipelines.settings.sections import LiveSettings

if TYPE_CHECKING:
    from pipelines.jobs.score import ScoreResult


@dataclass(frozen=True)
class FollowedListening:
    """What a listener has stored, and what has followed."""

    stored: ListenSummary
    followed: FollowSummary

    @property
    def exit_status(self) -> int:
        """1 if something that arrived could not be stored, or what follows from it failed until the end."""
        return self.stored.exit_status or int(bool(self.followed.error))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**self.stored.to_dict(), "followed": self.followed.to_dict()}


def listen_and_follow(
    workspace: Workspace,
    settings: LiveSettings,
    *,
    environ: Mapping[str, str],
    ending: Ending | None = None,
    stopping: threading.Event | None = None,
    report: Report | None = None,
    on_scored: Callable[["ScoreResult"], None] = lambda _: None,
    engine: BlockEngine | None = None,
) -> FollowedListening:
    """Listen as `listen` does, and bring indicators and predictions up to what is stored, beside it.

    `on_scored` is called with each scoring of the fleet. Indicators and features are computed by `engine`, in this
    process if None.
    """
    follow_ups = FollowUps(workspace, policy=read_policy(workspace, environ), on_scored=on_scored, engine=engine)
    try:
        stored = listen(
            workspace,
            settings,
            environ=environ,
            ending=ending,
            stopping=stopping,
            report=report,
            stored=follow_ups.note,
        )
    finally:
        followed = follow_ups.close()
    return FollowedListening(stored, followed)
