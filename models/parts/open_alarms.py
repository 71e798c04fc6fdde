"""Open alarms: the assets whose newest prediction is an alert, and how probable their failure is by when."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.records.asset_records import answers_of, newest_predictions
from data_contracts.records.records import predictions
from models.failure_modes.mode_labels import OTHER
from models.parts.watching import WatchingModel
from models.planning.worklist_costs import Risk, survival

_HOUR = pd.Timedelta(hours=1)
_STEP = pd.Timedelta(1, "us")


@dataclass(frozen=True)
class OpenAlarm:
    """An asset with an alarm, and its failure by the end of what the alarm claims."""

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


def watched_now(
    records: Any, model: WatchingModel, as_of: pd.Timestamp, renewed: Mapping[str, pd.Timestamp]
) -> Watched:
    """Return the alarms of a model that were open at a time: of predictions made by then that still claim something.

    An asset that failed or was repaired since its prediction has none.
    """
    newest = _newest(records, model, as_of)
    latest = None if newest.empty else pd.Timestamp(newest["as_of"].max())
    foresight = pd.Timedelta(0) if latest is None else max(pd.Timedelta(0), latest + model.claim - as_of)
    alerts = newest[newest["alert"].astype(bool) & newest["probability"].notna()]
    open_since = [asset not in renewed or renewed[asset] < at for asset, at in zip(*_keys(alerts), strict=True)]
    alerts = alerts[np.array(open_since, dtype=bool)]
    answers = answers_of(records, alerts["prediction_id"].tolist())
    alarms = [_alarm(row, answers.get(row["prediction_id"], "{}")) for row in alerts.to_dict("records")]
    return Watched(model, tuple(sorted(alarms, key=lambda alarm: alarm.asset)), foresight, latest)


def _newest(records: Any, model: WatchingModel, as_of: pd.Timestamp) -> pd.DataFrame:
    """Read each asset's newest prediction that had been made by a time and still claims something then."""
    name, version, since = model.name, model.version, as_of - model.claim
    newest = newest_predictions(records, model_name=name, model_version=version, since=since + _STEP, until=as_of)
    made = newest["made_at"] <= as_of
    if made.all():
        return newest
    # Of a time in the past: some predictions for it were made later.
    earlier = predictions(records, model_name=name, model_version=version, since=since, until=as_of)
    earlier = earlier[(earlier["made_at"] <= as_of) & earlier["asset"].isin(newest.loc[~made, "asset"])]
    return pd.concat([newest[made], earlier.drop_duplicates("asset", keep="last")], ignore_index=True)


def _keys(alerts: pd.DataFrame) -> tuple[list[str], list[pd.Timestamp]]:
    return alerts["asset"].tolist(), alerts["as_of"].tolist()


def _alarm(row: Mapping[Any, Any], answer: str) -> OpenAlarm:
    content = json.loads(answer)
    horizons = content.get("horizons") or [{"hours": row["horizon_s"] / 3600.0, "probability": row["probability"]}]
    hours, probabilities = (tuple(each[name] for each in horizons) for name in ("hours", "probability"))
    since = row["as_of"] + pd.Timedelta(seconds=row["lead_s"])
    by_mode = {each["mode"]: each["probability"] for each in content.get("modes") or ()}
    total = sum(by_mode.values())
    modes = {mode: probability / total for mode, probability in by_mode.items()} if total else {}
    return OpenAlarm(row["asset"], row["as_of"], Risk(since, hours, probabilities), modes)
