"""Assets whose first window is not complete yet: half a window looks unlike whole ones, and would alarm."""

import threading
from collections.abc import Mapping

import pandas as pd

from data_contracts.tables.readings import first_readings
from data_contracts.workspace import Workspace
from models.artifact.artifact import Artifact
from models.artifact.reasons import Reason
from models.labels.observation import observation_window

_HOUR = pd.Timedelta(hours=1)


class FirstWindows:
    """Find the assets of a model of anomalies that are in their first window.

    An asset that has been seen to be beyond it is not looked up again: a table only ever gets more rows.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._beyond: dict[str, pd.Timestamp] = {}  # by table and asset: the first reading

    def reasons(self, artifact: Artifact, cut_offs: Mapping[str, pd.Timestamp]) -> dict[str, Reason]:
        """Return the assets whose first window is not complete at their cut-offs, with the reasons."""
        if artifact.target != "anomaly" or not cut_offs or artifact.clock.cycle is not None:
            return {}
        window = observation_window(artifact.recipe.windows)
        table = f"telemetry/{artifact.recipe.asset_type}"
        with self._lock:
            known = {asset: self._beyond.get(f"{table}/{asset}") for asset in cut_offs}
            unsure = [asset for asset, first in known.items() if first is None or cut_offs[asset] - first < window]
            firsts = first_readings(self._workspace, table, as_of=max(cut_offs.values()), assets=unsure)
            for asset, first in firsts.items():
                if cut_offs[asset] - first >= window:
                    self._beyond[f"{table}/{asset}"] = first
        return {
            asset: Reason("first_window", _words(cut_offs[asset] - firsts[asset], window))
            for asset in unsure
            if asset in firsts and cut_offs[asset] - firsts[asset] < window
        }


def _words(since: pd.Timedelta, window: pd.Timedelta) -> str:
    hours = max(since / _HOUR, 0.0)
    return f"its first window is not complete: {hours:,.3g} of {window / _HOUR:,.3g} h since its first reading"
