"""The failure risk of each asset over the coming hours, read from stored predictions."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import pandas as pd

from data_contracts.records.asset_records import answers_of, newest_predictions

_NO_LEAD = pd.Timedelta(0)
_HOUR_S = 3600.0


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
    driver: str = ""  # what drives it most, in words, where that was answered
    mode: str = ""  # the most probable failure mode, where that was answered
    mode_share: float = 0.0  # its probability if the asset fails


def stored_forecasts(
    engine: Any, *, model_name: str, model_version: int, since: pd.Timestamp, until: pd.Timestamp
) -> Iterator[Forecast]:
    """Read the forecast of each asset's newest prediction by a version, with a cut-off from `since` to `until`."""
    rows = newest_predictions(engine, model_name=model_name, model_version=model_version, since=since, until=until)
    rows = rows[rows["probability"].notna()]
    return forecasts_from_rows(rows, answers_of(engine, rows["prediction_id"].tolist()).values())


def forecasts_from_rows(rows: pd.DataFrame, answers: Iterable[str]) -> Iterator[Forecast]:
    """Read forecasts from stored predictions, with all horizons where their answers (JSON) are stored too."""
    contents = {content["prediction_id"]: content for content in map(json.loads, answers)}
    for row in rows.to_dict("records"):
        content = contents.get(row["prediction_id"], {})
        hours, probabilities = horizons_of(content) or ((row["horizon_s"] / _HOUR_S,), (row["probability"],))
        yield Forecast(
            asset=row["asset"],
            prediction_id=row["prediction_id"],
            as_of=row["as_of"],
            read_at=read_at_of(content, row["as_of"]),
            lead=pd.Timedelta(seconds=row["lead_s"]),
            hours=hours,
            probabilities=probabilities,
            alert=row["alert"],
            driver=driver_of(content),
            **mode_of(content),
        )


def read_at_of(content: Mapping[str, Any], as_of: pd.Timestamp) -> pd.Timestamp:
    """Return the latest reading that an answer used; the cut-off where the answer has none."""
    read_at = content.get("last_reading_at")
    return as_of if read_at is None else pd.Timestamp(read_at).as_unit("us")


def horizons_of(content: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return the horizons of an answer in hours, and its probabilities; None without."""
    horizons = content.get("horizons")
    if not horizons:
        return None
    return tuple(each["hours"] for each in horizons), tuple(each["probability"] for each in horizons)


def driver_of(content: Mapping[str, Any]) -> str:
    """Return the words of an answer's first driver; empty without."""
    return next((driver["words"] for driver in content.get("drivers") or () if driver.get("words")), "")


class ModeFields(TypedDict, total=False):
    """The fields of a `Forecast` about its mode."""

    mode: str
    mode_share: float


def mode_of(content: Mapping[str, Any]) -> ModeFields:
    """Return the most probable mode of an answer, and its probability if the asset fails; nothing without modes.

    >>> mode_of({"modes": [{"mode": "bearing", "probability": 0.375}, {"mode": "drive", "probability": 0.125}]})
    {'mode': 'bearing', 'mode_share': 0.75}
    """
    modes = content.get("modes") or []
    total = sum(each["probability"] for each in modes)
    if not total:
        return {}
    return {"mode": modes[0]["mode"], "mode_share": modes[0]["probability"] / total}
