"""Alerts of a model merged into alarms."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from models.alarms.alarm import Alarm
from models.labels.breakdowns import NO_TIME
from models.outcomes.episodes import Terms, episode_starts, run_begins


def merged(
    model: str,
    alerts: pd.DataFrame,
    *,
    claim: pd.Timedelta,
    gap: pd.Timedelta,
    begun: Mapping[str, pd.Timestamp],
    last_only: bool = False,
) -> Iterator[Alarm]:
    """Yield the alarms of a model, or the last of each asset, from its alerts as `recent_alerts` orders them.

    `begun` says when the first alerts of an asset began to follow one another, if that was before the first of these.
    """
    if alerts.empty:
        return
    codes, assets = pd.factorize(alerts["asset"])
    as_of = alerts["as_of"].dt.tz_localize(None).to_numpy()
    before = np.array([_naive(begun.get(asset)) for asset in assets], dtype="datetime64[us]")
    starts = episode_starts(codes, as_of, Terms(NO_TIME, claim, gap, NO_TIME), before)
    since = pd.DatetimeIndex(run_begins(codes, as_of, gap, before)).tz_localize("UTC")
    firsts = np.flatnonzero(starts)
    lasts = np.append(firsts[1:], len(starts)) - 1
    if last_only:
        kept = np.diff(codes[firsts], append=-1) != 0
        firsts, lasts = firsts[kept], lasts[kept]
    times, ids = alerts["as_of"].array, alerts["prediction_id"].array
    rows = alerts.iloc[lasts].to_dict("records")
    for first, last, row in zip(firsts.tolist(), lasts.tolist(), rows, strict=True):
        yield _alarm(model, row, claim)(
            prediction_id=ids[first],
            since=since[last],
            opened=times[first],
            alerts=len(np.unique(as_of[first : last + 1])),
        )


def _alarm(model: str, last: Mapping[Any, Any], claim: pd.Timedelta) -> "partial[Alarm]":
    """Return an alarm as its last alert has it, which lacks what its first one says."""
    opens, horizon = last["as_of"] + pd.Timedelta(seconds=last["lead_s"]), pd.Timedelta(seconds=last["horizon_s"])
    return partial(
        Alarm,
        model=model,
        asset=last["asset"],
        last_alert=last["as_of"],
        opens=opens,
        # A model without a horizon claims the time up to its next prediction.
        closes=opens + (horizon if last["lead_s"] + last["horizon_s"] > 0 else claim),
        newest_id=last["prediction_id"],
        probability=_number(last["probability"]),
        remaining_life_h=_number(last["remaining_life_h"]),
        held_back=bool(last["held_back"]),
    )


def _naive(time: pd.Timestamp | None) -> np.datetime64:
    return np.datetime64("NaT") if time is None else time.tz_localize(None).to_datetime64()


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
