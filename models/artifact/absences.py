"""Assets that are not predicted for because they do not run: failed and not back, retired, or new and not yet heard of.

The rule is `models.labels.observation`; here are a model's terms for it, and the reasons in words.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.history import History
from data_contracts.tables.readings import ReadingRhythm, last_readings, read_channel
from data_contracts.workspace import Workspace
from features.clock import TIME, Clock
from features.telemetry.sorted_times import IntArray, microseconds, width
from models.artifact.artifact import Artifact
from models.artifact.reasons import Reason
from models.artifact.staleness import format_age
from models.labels import observation
from models.labels.breakdowns import breakdown_span
from models.labels.condition import last_values
from models.labels.observation import NEVER, ObservationState, states_at

_EPOCH = pd.Timestamp(0, tz="UTC")
_RETIRED = Reason("retired", "asset retired")


@dataclass(frozen=True)
class ObservationTerms:
    """A model's terms of observation."""

    window: pd.Timedelta  # a reading within it is needed
    down: pd.Timedelta  # how long an asset is down after a failure
    breakdown: pd.Timedelta  # failures booked up to this long after the first of a breakdown are that one
    clock: Clock = TIME  # how reasons write times

    @classmethod
    def of(cls, artifact: Artifact) -> "ObservationTerms":
        """Return the terms that a model was trained with."""
        down = artifact.down_after_failure or artifact.trained.down_after_failure
        window = observation.observation_window(artifact.recipe.windows)
        return cls(window, down, breakdown_span(down, artifact.claim or None), artifact.clock)


@dataclass(frozen=True)
class KnownAssets:
    """What is known, of n assets at their cut-offs, besides their readings; times in microseconds or `NEVER`."""

    failure: IntArray  # the last breakdown of the machine that stands there then
    replaced: IntArray  # when that machine took another's place
    retired: npt.NDArray[np.bool_]

    @classmethod
    def at(
        cls, cut_offs: pd.DataFrame, failures: pd.DataFrame, records: pd.DataFrame, terms: ObservationTerms
    ) -> "KnownAssets":
        """Return what was known by each cut-off (asset, as_of)."""
        since = observation.replaced_at(cut_offs, records)
        failed = observation.last_failures(cut_offs, failures, breakdown=terms.breakdown, replaced=since)
        replaced = np.full(len(cut_offs), NEVER) if since is None else np.maximum(since, NEVER)
        return cls(failed, replaced, observation.retired_at(cut_offs, records))

    def needs_reading_after(self, terms: ObservationTerms) -> IntArray:
        """Return the times after which a reading is needed to show that the assets run, `NEVER` where none is."""
        needed = np.where(self.failure > NEVER, self.failure + width(terms.down), self.replaced - 1)
        return np.where(~self.retired & (needed > NEVER), needed, NEVER)


def absence_reasons(
    as_of: IntArray, last_reading: IntArray, known: KnownAssets, terms: ObservationTerms
) -> list[Reason | None]:
    """Say for each of n assets why it does not run at its cut-off, None where it may; arrays as `states_at` takes."""
    states = states_at(
        as_of, last_reading, known.failure, known.retired, window=terms.window, down_after_failure=terms.down
    )
    reasons: list[Reason | None] = [None] * len(states)
    for row in np.flatnonzero((known.replaced > NEVER) & (last_reading < known.replaced)):
        reasons[row] = _new(int(known.replaced[row]), terms.clock)
    for row in np.flatnonzero(states == ObservationState.RETIRED):
        reasons[row] = _RETIRED
    for row in np.flatnonzero(states == ObservationState.FAILED):
        reasons[row] = _failed(int(known.failure[row]), int(as_of[row]), terms)
    return reasons


def own_present(last_known: pd.Timestamp, clock: Clock, rhythm: ReadingRhythm | None) -> pd.Timestamp:
    """Return until when an asset whose times count cycles is known, by when its last reading became known.

    Cycles have no present that assets share. What happened within the time to the next reading is what ended the
    readings; what is later is yet to come.
    """
    step = pd.Timedelta(0) if clock.cycle is None else clock.cycle
    return last_known + (step if rhythm is None else max(step, rhythm.interval))


def absent_assets(
    workspace: Workspace, artifact: Artifact, history: History, cut_offs: pd.DataFrame
) -> dict[str, Reason]:
    """Return the assets that do not run at their cut-offs, with the reasons.

    `cut_offs` has asset, each once, and as_of. The history may hold the telemetry of the model's window only: where it
    holds none since a failure, earlier telemetry is looked up.
    """
    terms, as_of = ObservationTerms.of(artifact), microseconds(cut_offs["as_of"])
    reading = observation.last_readings_of(history, cut_offs)
    known = KnownAssets.at(cut_offs, history.failures, history.assets, terms)
    needed = known.needs_reading_after(terms)
    unsure = np.flatnonzero((needed > NEVER) & (reading <= needed) & (needed < as_of))
    if len(unsure):
        earlier = stored_readings(workspace, history.asset_type, cut_offs.iloc[unsure], needed[unsure])
        reading[unsure] = np.maximum(reading[unsure], earlier)
    reasons = absence_reasons(as_of, reading, known, terms)
    found = {asset: reason for asset, reason in zip(cut_offs["asset"], reasons, strict=True) if reason is not None}
    return assets_beyond(workspace, artifact, cut_offs) | found


def assets_beyond(workspace: Workspace, artifact: Artifact, cut_offs: pd.DataFrame) -> dict[str, Reason]:
    """Return the assets whose condition was beyond its threshold at the last reading known by the cut-off.

    To a model of the crossing they have failed; of a model that predicts anything else, none has.
    """
    about = artifact.about
    rule = None if about is None else about.rule
    if about is None or rule is None or not len(cut_offs):
        return {}
    found: dict[str, Reason] = {}
    for as_of, group in cut_offs.groupby("as_of"):
        known = _condition_readings(workspace, artifact, rule.channel, pd.Timestamp(str(as_of)), group)
        beyond = group[rule.already_beyond(group, known)]
        last = last_values(known, rule.channel).loc[beyond["asset"]]
        for asset, time, value in zip(last.index, last["event_time"], last[rule.channel], strict=True):
            unit = f" {about.unit}" if about.unit else ""
            words = f"{rule.channel} was {value:.6g}{unit} at {artifact.clock.moment(time)}, {rule.direction} "
            found[str(asset)] = Reason("failed", f"{words}{rule.value:g}: what the model predicts has happened")
    return found


def _condition_readings(
    workspace: Workspace, artifact: Artifact, channel: str, as_of: pd.Timestamp, cut_offs: pd.DataFrame
) -> pd.DataFrame:
    """Read a condition as known at a cut-off: in the model's window, and all of it of assets with no reading there."""
    table, window = f"telemetry/{artifact.recipe.asset_type}", observation.observation_window(artifact.recipe.windows)
    assets = cut_offs["asset"].tolist()
    near = read_channel(workspace, table, channel, as_of=as_of, assets=assets, start=as_of - window)
    if channel not in near:
        return near.assign(**{channel: np.nan})
    measured = set(near.loc[near[channel].notna(), "asset"])
    far = [asset for asset in assets if asset not in measured]
    if not far:
        return near
    return pd.concat([near, read_channel(workspace, table, channel, as_of=as_of, assets=far)], ignore_index=True)


def stored_readings(workspace: Workspace, asset_type: str, cut_offs: pd.DataFrame, since: IntArray) -> IntArray:
    """Return the last reading of each asset known by its cut-off, where it is later than `since`; `NEVER` elsewhere."""
    found = np.full(len(cut_offs), NEVER, dtype=np.int64)
    assets = cut_offs["asset"].to_numpy(dtype=object)
    for cut_off, rows in cut_offs.reset_index(drop=True).groupby("as_of").groups.items():
        places, as_of = np.asarray(rows), pd.Timestamp(str(cut_off))
        start = pd.Timestamp(int(since[places].min()), unit="us", tz="UTC")
        latest = last_readings(
            workspace, f"telemetry/{asset_type}", as_of=as_of, assets=assets[places].tolist(), start=start
        )
        times = [latest.get(asset) for asset in assets[places]]
        found[places] = [NEVER if time is None else width(time - _EPOCH) for time in times]
    return np.where(found > since, found, NEVER)


def _new(time: int, clock: Clock) -> Reason:
    replaced = clock.moment(pd.Timestamp(time, unit="us", tz="UTC"))
    return Reason("no_telemetry", f"another machine took its place at {replaced}, not read since")


def _failed(time: int, as_of: int, terms: ObservationTerms) -> Reason:
    failed = f"it failed at {terms.clock.moment(pd.Timestamp(time, unit='us', tz='UTC'))}"
    if time < as_of <= time + width(terms.down):
        return Reason("failed", f"{failed}, and counts as down for {format_age(width(terms.down), terms.clock)}")
    return Reason("failed", f"{failed}, and no reading since shows that it runs again")
