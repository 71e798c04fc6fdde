"""The cut-offs of a scoring run: one for the whole fleet, or of each asset its own last reading."""

from dataclasses import dataclass

import pandas as pd

from data_contracts.errors import NotFoundError
from data_contracts.tables.history import History
from data_contracts.tables.readings import reading_rhythm
from data_contracts.workspace import Workspace
from features.clock import TIME, Clock, clock_of
from models.artifact.absences import own_present
from models.artifact.artifact import Artifact
from models.labels.observation import observation_window

_UTC = "datetime64[us, UTC]"


@dataclass(frozen=True)
class FleetCutOffs:
    """The cut-offs of the assets with telemetry in the model's window, and the assets without."""

    active: pd.DataFrame  # asset, as_of, at: whether the asset runs and how old its telemetry is counts there
    silent: tuple[str, ...]
    own: bool = False  # whether each asset has its own cut-off

    @property
    def latest(self) -> pd.Timestamp:
        """The last of the cut-offs."""
        return pd.Timestamp(self.active["as_of"].max())

    @property
    def fleet(self) -> pd.DataFrame:
        """Asset and as_of: of all assets, the time at which it counts whether they run."""
        at = pd.DataFrame({"asset": list(self.silent), "at": self.active["at"].max()})
        both = pd.concat([self.active[["asset", "at"]], at]).sort_values("asset", ignore_index=True)
        return both.rename(columns={"at": "as_of"}).astype({"asset": "str", "as_of": _UTC})


def fleet_cut_offs(
    workspace: Workspace,
    artifact: Artifact,
    history: History,
    *,
    as_of: pd.Timestamp | None,
    made_at: pd.Timestamp,
) -> tuple[FleetCutOffs, History]:
    """Return the cut-offs of a scoring run at `as_of`; without it at the latest known time of the telemetry.

    Where times count cycles there is no time that all assets share: without `as_of` each has its own last reading. With
    the cut-offs comes the history without the telemetry that is too old for them.
    """
    if as_of is None and artifact.clock != TIME:
        return _own(workspace, artifact.clock, history), history
    cut_off = latest_known_time(history) if as_of is None else as_of
    window = observation_window(artifact.recipe.windows)
    everyone = {*history.assets["asset"], *history.telemetry_assets}
    if as_of is None:
        history = history.after(cut_off - max(window, artifact.recipe.lookback))
    active = _with_telemetry(history, cut_off, window)
    # Without a cut-off the present decides who runs, and how old telemetry is.
    at = max(cut_off, made_at) if as_of is None else cut_off
    return FleetCutOffs(_frame(active, cut_off, at), tuple(sorted(everyone.difference(active)))), history


def later_failures(history: History, cut_offs: FleetCutOffs) -> int:
    """Count the assets with a failure that is stored for a time after their own present."""
    failed = history.failures.merge(cut_offs.active, on="asset")
    return int(failed.loc[failed["event_time"] > failed["at"], "asset"].nunique())


def latest_known_time(history: History) -> pd.Timestamp:
    """Return when the last of the telemetry became known."""
    if (latest := history.last_known) is None:
        raise NotFoundError(
            f"no telemetry of any {history.asset_type}", "some to score from", "Import some with `forewarn import`"
        )
    return latest


def _own(workspace: Workspace, clock: Clock, history: History) -> FleetCutOffs:
    latest_known_time(history)  # refuses a history without telemetry
    rhythm = reading_rhythm(workspace, f"telemetry/{history.asset_type}")
    last = pd.concat([_last_times(block.telemetry) for block in history.blocks()]).sort_index()
    active = _frame(last.index.tolist(), last.array, [own_present(time, clock, rhythm) for time in last])
    return FleetCutOffs(active, tuple(sorted({*history.assets["asset"]} - {*last.index})), own=True)


def _last_times(rows: pd.DataFrame) -> "pd.Series[pd.Timestamp]":
    return rows[["event_time", "known_time"]].max(axis="columns").groupby(rows["asset"]).max()


def _frame(assets: list[str], as_of: object, at: object) -> pd.DataFrame:
    return pd.DataFrame({"asset": assets, "as_of": as_of, "at": at}).astype({"asset": "str", "as_of": _UTC, "at": _UTC})


def _with_telemetry(history: History, as_of: pd.Timestamp, window: pd.Timedelta) -> list[str]:
    """Return the assets with telemetry in the window before the cut-off, sorted."""
    active = set[str]()
    for rows in (block.telemetry for block in history.blocks()):
        active.update(rows.loc[(rows["event_time"] > as_of - window) & (rows["event_time"] <= as_of), "asset"])
    if not active:
        clock = clock_of(history.contract)
        raise NotFoundError(
            f"no telemetry of any {history.asset_type} in the {clock.duration(window)} before {clock.instant(as_of)}",
            "some to score from",
            "Ingest newer telemetry, or name another time with --as-of",
        )
    return sorted(active)
