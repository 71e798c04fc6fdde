"""What a prediction was made without: gaps, silent channels, values by hand, messages that never came."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from data_contracts.streams.stream_gaps import TABLE, read_gaps
from data_contracts.tables import tables
from serving.pages.fleet_state.risks import Risk
from serving.pages.machine.readings import Readings

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_USUAL = 4
"""A distance between readings so many times the usual one is a gap."""
_MOST, _SECOND = 10, pd.Timedelta(seconds=1)
_NEVER_CAME = ("gap", "edge_dropped")


@dataclass(frozen=True)
class NotKnown:
    """What the model did not know."""

    window: pd.Timedelta | None  # how far it looked back; None where the model is not at hand
    reason: str | None  # in the answer's words: why it is not to be relied on
    age: pd.Timedelta | None  # of the latest reading used, at the cut-off
    silent: tuple[str, ...]  # channels that it uses, without a reading in its window
    gaps: tuple[tuple[pd.Timestamp, pd.Timestamp], ...]  # without a reading of any channel
    overridden: float  # shares of the values in its window
    simulated: float
    lost: int  # messages within the window that never came

    @property
    def nothing(self) -> bool:
        """Whether it knew all that it asks for."""
        return not (self.reason or self.silent or self.gaps or self.overridden or self.simulated or self.lost)


def not_known(
    worker: "WorkerContext", asset: str, risk: Risk | None, content: Mapping[str, Any], readings: Readings
) -> NotKnown | None:
    """Return what the model that made a prediction did not know; None without a prediction."""
    if risk is None:
        return None
    champion = worker.watch.current
    recipe = None if champion is None or champion.name != risk.model else champion.artifact.recipe
    window = None if recipe is None else recipe.lookback
    since = readings.start if window is None else max(risk.as_of - window, readings.start)
    frame = readings.frame
    within = frame[(frame["event_time"] > since) & (frame["event_time"] <= risk.as_of)]
    used = () if recipe is None else recipe.measured_channels
    last, provenance = content.get("last_reading_at"), content.get("provenance") or {}
    return NotKnown(
        window=window,
        reason=content.get("reason") or (content.get("reason_code") and str(content["reason_code"])),
        age=None if last is None else risk.as_of - pd.Timestamp(last),
        silent=tuple(name for name in used if name not in within or within[name].isna().all()),
        gaps=_gaps(within["event_time"], since, risk.as_of) if len(within) else (),
        overridden=float(provenance.get("overridden", 0.0)),
        simulated=float(provenance.get("simulated", 0.0)),
        lost=_lost(worker, asset, since, risk.as_of),
    )


def _gaps(
    times: "pd.Series[pd.Timestamp]", since: pd.Timestamp, until: pd.Timestamp
) -> tuple[tuple[pd.Timestamp, pd.Timestamp], ...]:
    edges = pd.concat([pd.Series([since]), times, pd.Series([until])], ignore_index=True)
    steps = (edges.diff() / _SECOND).to_numpy()[1:]
    usual = float(np.median(steps[1:-1])) if len(times) > 1 else float(steps.max())
    long = np.flatnonzero(steps > _USUAL * usual)
    return tuple((edges.iloc[place], edges.iloc[place + 1]) for place in long[-_MOST:].tolist())


def _lost(worker: "WorkerContext", asset: str, since: pd.Timestamp, until: pd.Timestamp) -> int:
    if tables.latest_version(worker.workspace, TABLE) is None:
        return 0  # nothing streams
    gaps = read_gaps(worker.workspace, assets=[asset])
    gaps = gaps[gaps["kind"].isin(_NEVER_CAME) & (gaps["event_time"] <= until) & (gaps["event_time"] > since)]
    return int((gaps["to_sequence"] - gaps["from_sequence"] + 1).sum()) if len(gaps) else 0
