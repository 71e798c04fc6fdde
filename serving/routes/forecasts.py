"""What predictions tell of the coming hours, whether they were stored before or are made now."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from serving.schemas.schemas import PredictAnswer

_AT_ONCE = pd.Timedelta(0)
_HOUR, _HOUR_S = pd.Timedelta(hours=1), 3600.0
_NEVER = pd.Timestamp(0, tz="UTC").as_unit("us")


@dataclass(frozen=True)
class Forecast:
    """What a prediction tells.

    Parameters
    ----------
    asset
        The asset.
    prediction_id
        Its id; empty if there is none.
    as_of
        Its cut-off.
    read_at
        When the latest reading it goes by was taken; its cut-off where that was not written down.
    lead
        From when after that the hours count.
    hours, probabilities
        Of a failure within each horizon; empty if there is a reason why not.
    alert
        Whether it is an alert.
    reason
        Why nothing is told; None if something is.
    """

    asset: str
    prediction_id: str
    as_of: pd.Timestamp
    read_at: pd.Timestamp
    lead: pd.Timedelta = _AT_ONCE
    hours: tuple[float, ...] = ()
    probabilities: tuple[float, ...] = ()
    alert: bool = False
    reason: str | None = None


def forecasts_from_rows(rows: pd.DataFrame, answers: Iterable[str]) -> Iterator[Forecast]:
    """Read what stored predictions tell.

    Parameters
    ----------
    rows
        Stored predictions with a probability.
    answers
        What was answered under their ids, as far as it is stored: JSON texts.

    Yields
    ------
    Forecast
        With every horizon that was answered; with the one that is stored if none was.
    """
    contents = {content["prediction_id"]: content for content in map(json.loads, answers)}
    for row in rows.to_dict("records"):
        content = contents.get(row["prediction_id"], {})
        hours, chances = _horizons(content) or ((row["horizon_s"] / _HOUR_S,), (row["probability"],))
        lead, read_at = pd.Timedelta(seconds=row["lead_s"]), _read_at(content, row["as_of"])
        yield Forecast(row["asset"], row["prediction_id"], row["as_of"], read_at, lead, hours, chances, row["alert"])


def forecasts_from_answer(answer: "PredictAnswer") -> Iterator[Forecast]:
    """Read what an answer tells.

    Parameters
    ----------
    answer
        Of this model's probabilities.

    Yields
    ------
    Forecast
        One for each asset that was asked about; with a reason where there is no number.
    """
    content = answer.model_dump()
    for one in content["predictions"]:
        as_of = None if one["as_of"] is None else pd.Timestamp(one["as_of"])
        if one["probability"] is None or as_of is None:
            yield Forecast(one["asset"], "", _NEVER, _NEVER, reason=one.get("reason") or "nothing is foretold")
            continue
        hours, chances = _horizons(one) or ((one["horizon_hours"],), (one["probability"],))
        lead, read_at = one["lead_hours"] * _HOUR, _read_at(one, as_of)
        yield Forecast(one["asset"], one["prediction_id"], as_of, read_at, lead, hours, chances, one["alert"])


def _read_at(content: Mapping[str, Any], as_of: pd.Timestamp) -> pd.Timestamp:
    told = content.get("last_reading_at")
    return as_of if told is None else pd.Timestamp(told).as_unit("us")


def _horizons(content: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    told = content.get("horizons")
    if not told:
        return None
    return tuple(one["hours"] for one in told), tuple(one["probability"] for one in told)
