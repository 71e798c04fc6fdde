"""Open alarms as demand for parts: how probable the failures are that they announce, and by when."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.records.asset_records import answers_of
from data_contracts.records.overview.fleet_predictions import answering_models
from models.alarms import Alarm, Closings, open_alarms
from models.failure_modes.mode_labels import OTHER
from models.parts.watching import WatchingModel
from models.planning.worklist_costs import Risk, survival

_HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class OpenAlarm:
    """An asset with an alarm that is open, and its failure by the end of what the alarm claims."""

    asset: str
    as_of: pd.Timestamp  # the prediction's cut-off
    risk: Risk
    # The probability of each failure mode if it fails, where the model tells modes apart.
    modes: Mapping[str, float] = field(default_factory=dict)

    def share_of(self, modes: Collection[str]) -> float | None:
        """Return the probability that a failure is of some modes; None unless the model knows each of them.

        Examples
        --------
        >>> noon = pd.Timestamp("2026-01-01T12:00Z")
        >>> alarm = OpenAlarm("m1", noon, Risk(noon, (48.0,), (0.5,)), {"seal": 0.7, "drive": 0.2, "other": 0.1})
        >>> alarm.share_of(["seal"]), alarm.share_of(["seal", "belt"])
        (0.7, None)
        """
        if not modes or not set(modes) <= set(self.modes) - {OTHER}:
            return None
        return sum(self.modes[mode] for mode in modes)

    def fails_within(self, start: pd.Timestamp, days: float) -> float:
        """Return the probability that it fails within some days, up to the end of its horizon, if it runs at `start`.

        Examples
        --------
        >>> noon = pd.Timestamp("2026-01-01T12:00Z")
        >>> alarm = OpenAlarm("m1", noon, Risk(noon, (48.0,), (0.5,)))
        >>> round(alarm.fails_within(noon, 30), 3), round(alarm.fails_within(noon, 1), 3)
        (0.5, 0.293)
        """
        hours = min(24.0 * days, (self.risk.ends - start) / _HOUR)
        if hours <= 0:
            return 0.0
        alive, _ = survival(self.risk, start, np.array([0.0, hours]))
        return float(1 - alive[-1])


@dataclass(frozen=True)
class Watched:
    """What a model says of the assets it watches."""

    model: WatchingModel
    alarms: tuple[OpenAlarm, ...]  # by asset
    foresight: pd.Timedelta  # from now on to the end of what its newest predictions claim; zero without any
    latest: pd.Timestamp | None  # the cut-off of these


def watched_now(records: Any, model: WatchingModel, as_of: pd.Timestamp, closings: Closings) -> Watched:
    """Return the alarms of a model that were open at a time, and up to when its predictions look ahead."""
    answering = [each for each in answering_models(records, until=as_of, made_by=as_of) if each.name == model.name]
    latest = next((each.as_of for each in answering if each.as_of > as_of - model.claim), None)
    foresight = pd.Timedelta(0) if latest is None else latest + model.claim - as_of
    gaps = {model.name: model.gap}
    alarms = open_alarms(records, answering, closings, at=as_of, made_by=as_of, gaps=gaps)
    alarms = [alarm for alarm in alarms if alarm.probability is not None]
    answers = answers_of(records, [alarm.newest_id for alarm in alarms])
    found = tuple(_alarm(alarm, answers.get(alarm.newest_id, "{}")) for alarm in alarms)
    return Watched(model, found, foresight, latest)


def _alarm(alarm: Alarm, answer: str) -> OpenAlarm:
    content = json.loads(answer)
    horizons = content.get("horizons") or [
        {"hours": (alarm.closes - alarm.opens) / _HOUR, "probability": alarm.probability}
    ]
    hours, probabilities = (tuple(each[name] for each in horizons) for name in ("hours", "probability"))
    by_mode = {each["mode"]: each["probability"] for each in content.get("modes") or ()}
    total = sum(by_mode.values())
    modes = {mode: probability / total for mode, probability in by_mode.items()} if total else {}
    return OpenAlarm(alarm.asset, alarm.last_alert, Risk(alarm.opens, hours, probabilities), modes)
