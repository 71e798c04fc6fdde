"""The failure risk of each asset over the coming hours, from stored predictions or from new ones."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from serving.schemas.answers import PredictAnswer

_NO_LEAD = pd.Timedelta(0)
_HOUR, _HOUR_S = pd.Timedelta(hours=1), 3600.0
_NEVER = pd.Timestamp(0, tz="UTC").as_unit("us")


@dataclass(frozen=True)
class Forecast:
    """One asset's forecast, or the reason for having none."""

    asset: str
    prediction_id: str  # empty without a prediction
    as_of: pd.Timestamp
    read_at: pd.Timestamp  # the latest reading used; the cut-off where it was not recorded
    lead: pd.Timedelta = _NO_LEAD  # the horizons are counted from the cut-off plus this
    hours: tuple[float, ...] = ()  # the horizons, shortest first
    probabilities: tuple[float, ...] = ()  # of a failure within each horizon
    alert: bool = False
    reason: str | None = None  # why there is no forecast, or none to plan by
    reason_code: str | None = None


def forecasts_from_rows(rows: pd.DataFrame, answers: Iterable[str]) -> Iterator[Forecast]:
    """Read forecasts from stored predictions, with all horizons where their answers (JSON) are stored too."""
    contents = {content["prediction_id"]: content for content in map(json.loads, answers)}
    for row in rows.to_dict("records"):
        content = contents.get(row["prediction_id"], {})
        hours, probabilities = _horizons(content) or ((row["horizon_s"] / _HOUR_S,), (row["probability"],))
        lead, read_at = pd.Timedelta(seconds=row["lead_s"]), _read_at(content, row["as_of"])
        yield Forecast(
            row["asset"], row["prediction_id"], row["as_of"], read_at, lead, hours, probabilities, row["alert"]
        )


def forecasts_from_answer(answer: "PredictAnswer") -> Iterator[Forecast]:
    """Read forecasts from an answer of failure probabilities, one for each asset of the request."""
    for prediction in answer["predictions"]:
        asset, probability, horizon = prediction["asset"], prediction["probability"], prediction["horizon_hours"]
        if probability is None or horizon is None or prediction["as_of"] is None:
            reason, code = prediction["reason"] or "no prediction", prediction["reason_code"]
            yield Forecast(asset, "", _NEVER, _NEVER, reason=reason, reason_code=code)
            continue
        as_of = pd.Timestamp(prediction["as_of"])
        hours, probabilities = _horizons(prediction) or ((horizon,), (probability,))
        yield Forecast(
            asset,
            prediction["prediction_id"],
            as_of,
            _read_at(prediction, as_of),
            prediction["lead_hours"] * _HOUR,
            hours,
            probabilities,
            bool(prediction["alert"]),
        )


def _read_at(content: Mapping[str, Any], as_of: pd.Timestamp) -> pd.Timestamp:
    read_at = content.get("last_reading_at")
    return as_of if read_at is None else pd.Timestamp(read_at).as_unit("us")


def _horizons(content: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    horizons = content.get("horizons")
    if not horizons:
        return None
    return tuple(each["hours"] for each in horizons), tuple(each["probability"] for each in horizons)
