"""The alarms that are open: alerts whose claim is not over, merged as the ledger of outcomes merges them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from data_contracts.records.alarm_marks.mark_records import ACKNOWLEDGE, SILENCE, AlarmMark
from data_contracts.records.alarm_marks.marks import marks_of
from data_contracts.records.overview.fleet_predictions import recent_alerts
from models.artifact.announcement import announcement_terms
from models.outcomes.episodes import Terms, episode_starts
from serving.pages.fleet_state.renewals import renewal_times
from serving.pages.fleet_state.shown_time import ShownTime

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_LONGEST_RUN = pd.Timedelta(days=14)
"""How far before the claim alerts are looked for; an alarm that has lasted longer is shown to last that long."""
_USUAL_GAP, _NO_TIME = pd.Timedelta(hours=24), pd.Timedelta(0)


@dataclass(frozen=True)
class Alarm:
    """An alarm that is open."""

    asset: str
    model: str
    since: pd.Timestamp  # the first of its alerts, which follow one another without a longer silence
    opened: pd.Timestamp  # the alert that opened its last episode: it is counted anew after each claim
    last_alert: pd.Timestamp
    opens: pd.Timestamp  # the period in which the last alert claims a failure
    closes: pd.Timestamp
    held_back: bool  # nobody is to act on it
    prediction_id: str  # of the last alert
    acknowledged: AlarmMark | None = None
    silenced: AlarmMark | None = None


def open_alarms(
    worker: "WorkerContext",
    models: Sequence[str],
    presents: Mapping[str, pd.Timestamp],
    longest_claim: pd.Timedelta,
    shown: ShownTime,
    *,
    asset: str | None = None,
) -> dict[str, tuple[Alarm, ...]]:
    """Return the open alarms of each machine, or of one, by models; `presents` has the present of each machine."""
    if not models:
        return {}
    engine = worker.predictor.log.commit.engine()
    # Where times count cycles each machine has a present of its own.
    latest, earliest = max((*presents.values(), shown.at)), min((*presents.values(), shown.at))
    last_since = earliest - max(longest_claim, _USUAL_GAP)
    since = last_since - _LONGEST_RUN
    alerts = recent_alerts(engine, models, since=since, last_since=last_since, until=latest, asset=asset)
    renewed = renewal_times(worker, shown)
    found: dict[str, list[Alarm]] = {}
    for model, rows in alerts.groupby("model_name", sort=False):
        for alarm in _alarms(worker, str(model), rows):
            present = presents.get(alarm.asset, shown.at)
            over = alarm.asset in renewed and alarm.last_alert <= renewed[alarm.asset]
            if alarm.closes > present and not over:
                found.setdefault(alarm.asset, []).append(alarm)
    marks: dict[str, list[AlarmMark]] = {}
    for mark in marks_of(engine, sorted(found)) if found else ():
        if mark.holds(shown.at):
            marks.setdefault(mark.asset, []).append(mark)
    return {
        name: tuple(sorted((_marked(each, marks.get(name, ())) for each in alarms), key=lambda each: each.closes))
        for name, alarms in found.items()
    }


def past_alarms(worker: "WorkerContext", model: str, alerts: pd.DataFrame) -> list[Alarm]:
    """Return all alarms of one machine by one model, also those that are over, from its alerts by cut-off."""
    return list(_alarms(worker, model, alerts, last_only=False))


def _alarms(worker: "WorkerContext", model: str, alerts: pd.DataFrame, *, last_only: bool = True) -> Iterator[Alarm]:
    """Return the last alarm of each machine, or all, from the alerts of one model by asset and cut-off."""
    if alerts.empty:
        return
    last = alerts.iloc[-1]
    lead, horizon = (pd.Timedelta(seconds=last[name]) for name in ("lead_s", "horizon_s"))
    gap = _gap(worker, model)
    if lead + horizon <= _NO_TIME:
        horizon = gap  # a model without a horizon claims the time up to its next word
    codes = pd.factorize(alerts["asset"])[0]
    as_of = alerts["as_of"].dt.tz_localize(None).to_numpy()
    starts = episode_starts(codes, as_of, Terms(lead, horizon, gap, _NO_TIME))
    begins = (np.diff(as_of, prepend=as_of[:1]) > gap.to_numpy()) | (np.diff(codes, prepend=-1) != 0)
    firsts, opened = (np.maximum.accumulate(np.where(marks, np.arange(len(as_of)), 0)) for marks in (begins, starts))
    ends = np.append((np.diff(codes) != 0) if last_only else begins[1:], True)
    times = alerts["as_of"].array
    columns = {name: alerts[name].tolist() for name in ("asset", "prediction_id", "held_back")}
    for place in np.flatnonzero(ends).tolist():
        at = times[place]
        yield Alarm(
            asset=columns["asset"][place],
            model=model,
            since=times[int(firsts[place])],
            opened=times[int(opened[place])],
            last_alert=at,
            opens=at + lead,
            closes=at + lead + horizon,
            held_back=bool(columns["held_back"][place]),
            prediction_id=columns["prediction_id"][place],
        )


def _marked(alarm: Alarm, marks: Sequence[AlarmMark]) -> Alarm:
    """Return an alarm with those of its machine's marks that hold for it: a silence holds for later alarms too."""
    begun = [mark for mark in marks if mark.model_name == alarm.model and mark.began <= alarm.last_alert]
    seen = [mark for mark in begun if mark.kind == ACKNOWLEDGE and mark.began >= alarm.opened]
    silent = [mark for mark in begun if mark.kind == SILENCE]
    if not seen and not silent:
        return alarm
    return replace(alarm, acknowledged=seen[-1] if seen else None, silenced=silent[-1] if silent else None)


def _gap(worker: "WorkerContext", model: str) -> pd.Timedelta:
    champion = worker.watch.current
    terms = None if champion is None or champion.name != model else announcement_terms(champion.artifact)
    return _USUAL_GAP if terms is None else terms.gap
