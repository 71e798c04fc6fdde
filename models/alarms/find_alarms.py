"""Alarms read from the records of predictions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import pandas as pd

from data_contracts.records.overview.fleet_predictions import (
    AnsweringModel,
    alerts_begun,
    newest_of_model,
    recent_alerts,
)
from models.alarms.alarm import Alarm
from models.alarms.closings import Closings
from models.alarms.merging import merged
from models.artifact.announcement import USUAL_GAP
from models.labels.breakdowns import NO_TIME

_NONE: Mapping[str, pd.Timestamp] = MappingProxyType({})


@dataclass(frozen=True)
class _Span:
    """What is asked for: alarms whose claim ends after `since`, as they stood at `at`."""

    at: pd.Timestamp
    since: pd.Timestamp
    until: pd.Timestamp
    made_by: pd.Timestamp | None
    asset: str | None


def find_alarms(
    engine: Any,
    models: Iterable[AnsweringModel],
    closings: Closings,
    *,
    at: pd.Timestamp,
    since: pd.Timestamp | None = None,
    made_by: pd.Timestamp | None = None,
    gaps: Mapping[str, pd.Timedelta] = MappingProxyType({}),
    presents: Mapping[str, pd.Timestamp] = _NONE,
    asset: str | None = None,
) -> list[Alarm]:
    """Return the alarms of some models whose claim ends after a time, each with whether it is open at `at`.

    Parameters
    ----------
    engine
        The records.
    models
        As `answering_models` returns them for the same time.
    closings
        What was known of the assets then.
    at
        The time for which alarms are looked for, and which the claims of open ones outlast (UTC).
    since
        Alarms whose claim ends after this are returned; by default `at`.
    made_by
        Predictions that were made later are left out. By default none: for the present.
    gaps
        How far apart alerts of one alarm may be, by model; 24 hours for the others.
    presents
        Where the times of an asset count cycles, its own present in place of `at`.
    asset
        Only the alarms of this one.

    Returns
    -------
    list of Alarm
        By asset, model and time. Those whose last alert is held back are left out.
    """
    latest, earliest = max((*presents.values(), at)), min((*presents.values(), at))
    span = _Span(at, earliest if since is None else min(since, earliest), latest, made_by, asset)
    found = [
        alarm
        for model in models
        for alarm in _of_model(engine, model, closings, span, gaps.get(model.name, USUAL_GAP), presents, since is None)
    ]
    return sorted(found, key=lambda alarm: (alarm.asset, alarm.model, alarm.opened))


def open_alarms(
    engine: Any,
    models: Iterable[AnsweringModel],
    closings: Closings,
    *,
    at: pd.Timestamp,
    made_by: pd.Timestamp | None = None,
    gaps: Mapping[str, pd.Timedelta] = MappingProxyType({}),
    presents: Mapping[str, pd.Timestamp] = _NONE,
    asset: str | None = None,
) -> list[Alarm]:
    """Return the open alarms of some models, by asset and model; the parameters are those of `find_alarms`."""
    found = find_alarms(engine, models, closings, at=at, made_by=made_by, gaps=gaps, presents=presents, asset=asset)
    return [alarm for alarm in found if alarm.is_open]


def _of_model(
    engine: Any,
    model: AnsweringModel,
    closings: Closings,
    span: _Span,
    gap: pd.Timedelta,
    presents: Mapping[str, pd.Timestamp],
    last_only: bool,
) -> Iterator[Alarm]:
    claim = model.claim if model.claim > NO_TIME else gap
    last_since = span.since - claim
    read_from = last_since - claim  # an alarm is no longer than its claim
    alerts = recent_alerts(
        engine,
        model.name,
        since=read_from,
        last_since=last_since,
        until=span.until,
        made_by=span.made_by,
        asset=span.asset,
    )
    if presents:
        own = alerts["asset"].map(presents).fillna(span.at)
        alerts = alerts[alerts["as_of"] <= own]
    early = alerts.loc[alerts["as_of"] <= read_from + gap, "asset"].unique().tolist()
    begun = alerts_begun(engine, model.name, early, since=read_from, gap=gap, made_by=span.made_by) if early else _NONE
    alarms = list(merged(model.name, alerts, claim=claim, gap=gap, begun=begun, last_only=last_only))
    alarms = [alarm for alarm in alarms if alarm.closes > span.since and not alarm.held_back]
    possible = {alarm.asset for alarm in alarms if alarm.closes > presents.get(alarm.asset, span.at)}
    newest = _newest(engine, model.name, sorted(possible), last_since, span)
    for alarm in alarms:
        at = presents.get(alarm.asset, span.at)
        is_open = alarm.closes > at and alarm.newest_id in newest and not closings.close(alarm, at)
        yield replace(alarm, is_open=True) if is_open else alarm


def _newest(engine: Any, model: str, assets: Sequence[str], since: pd.Timestamp, span: _Span) -> frozenset[str]:
    """Return the ids of the newest predictions of some assets."""
    if not assets:
        return frozenset()
    rows = newest_of_model(engine, model, assets, since=since, until=span.until, made_by=span.made_by)
    return frozenset(rows["prediction_id"].tolist())
