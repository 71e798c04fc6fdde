"""What one worker process of the endpoint holds, and every page of it asks for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from data_contracts.workspace import Workspace
from serving.refusals import unavailable
from serving.settings import Settings

if TYPE_CHECKING:
    from serving.answering import Answering
    from serving.champion import Champion, ChampionWatch
    from serving.shadow import Shadow
    from serving.workers import Workers


@dataclass(frozen=True)
class Worker:
    """Hold what a worker process answers from.

    Parameters
    ----------
    workspace
        Telemetry and records.
    settings
        The endpoint's settings.
    answering
        Answers requests for predictions.
    watch
        Follows the champion.
    shadow
        Challengers that score the same traffic.
    workers
        What the other workers serve.
    """

    workspace: Workspace
    settings: Settings
    answering: "Answering"
    watch: "ChampionWatch"
    shadow: "Shadow"
    workers: "Workers"

    def champion(self) -> "Champion":
        """Return the champion, or refuse because there is none.

        Raises
        ------
        Refusal
            Of status 503.
        """
        champion, refused = self.watch.current, self.watch.refused
        if champion is None:
            why = f"; version {refused.version} was refused: {refused.reason}" if refused else ""
            raise unavailable(
                f"no champion of the model {self.watch.name!r} to answer with{why}",
                "a version that was promoted and can be loaded",
                "Promote one with `forewarn models promote`, then try again",
            )
        return champion


def now() -> pd.Timestamp:
    """Tell the time, in UTC to the microsecond."""
    return pd.Timestamp.now("UTC").as_unit("us")
