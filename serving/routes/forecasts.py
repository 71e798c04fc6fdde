"""The failure risk of each asset over the coming hours, from an answer that was made just now."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from models.scheduling.forecasts import Forecast, driver_of, horizons_of, mode_of, read_at_of
from models.scheduling.usable_forecasts import EVER

if TYPE_CHECKING:
    from serving.schemas.answers import PredictAnswer

_HOUR = pd.Timedelta(hours=1)


def forecasts_from_answer(answer: "PredictAnswer") -> Iterator[Forecast]:
    """Read forecasts from an answer of failure probabilities, one for each asset of the request."""
    for prediction in answer["predictions"]:
        asset, probability, horizon = prediction["asset"], prediction["probability"], prediction["horizon_hours"]
        if probability is None or horizon is None or prediction["as_of"] is None:
            reason, code = prediction["reason"] or "no prediction", prediction["reason_code"]
            yield Forecast(asset, "", EVER, EVER, reason=reason, reason_code=code)
            continue
        as_of = pd.Timestamp(prediction["as_of"])
        hours, probabilities = horizons_of(prediction) or ((horizon,), (probability,))
        yield Forecast(
            asset=asset,
            prediction_id=prediction["prediction_id"],
            as_of=as_of,
            read_at=read_at_of(prediction, as_of),
            lead=prediction["lead_hours"] * _HOUR,
            hours=hours,
            probabilities=probabilities,
            alert=bool(prediction["alert"]),
            driver=driver_of(prediction),
            **mode_of(prediction),
        )
