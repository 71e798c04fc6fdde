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
    """

    workspace: Workspace
    settings: Settings
    answering: "Answering"
    watch: "ChampionWatch"

    def champion(self) -> "Champion":
        """Return the champion, or refuse because there is none.

        Raises
        ------
        Refusal
            Of status 503.
        """
        champion = self.watch.current
        if champion is None:
            raise unavailable(
                f"no champion of the model {self.watch.name!r} to answer with",
                "a version that was promoted and can be loaded",
                "Promote one with `forewarn models promote`, then try again",
            )
        return champion


def now() -> pd.Timestamp:
    """Tell the time, in UTC to the microsecond."""
    return pd.Timestamp.now("UTC").as_unit("us")
