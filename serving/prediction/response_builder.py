"""From what a model says to what is answered and stored: one entry for each asset asked about."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.records.answer_records import Answer
from data_contracts.records.records import Prediction
from features.extraction.latest_readings import UNKNOWN
from models.artifact.artifact import Artifact
from models.artifact.explanations import Driver
from serving.deployment.champion import Champion
from serving.prediction.statuses import Freshness
from serving.schemas.answer_json import adapter_of
from serving.schemas.answers import DriverAnswer, HorizonAnswer, PredictionAnswer, Status
from serving.schemas.instants import format_microseconds, microseconds_of

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_HOUR, _SECOND = pd.Timedelta(hours=1), pd.Timedelta(seconds=1)
_MICROSECONDS = 1_000_000
_ADAPTER = adapter_of(PredictionAnswer)


@dataclass(frozen=True)
class AssetPredictions:
    """What a model says of some of the assets that were asked about.

    Parameters
    ----------
    assets
        The assets.
    as_of, read_at : (n,)
        Cut-offs, and the latest readings used, in microseconds since 1970; `UNKNOWN` where there is none.
    reasons
        Why there is no number; None where there is one.
    said : (n,)
        Probabilities, or hours of remaining life; NaN where there is none.
    alerts : (n,)
        Which are alerts.
    horizons : (n, n_horizons)
        Probabilities within each horizon.
    drivers
        What drives each; empty where it was not asked for.
    """

    assets: Sequence[str]
    as_of: IntArray
    read_at: IntArray
    reasons: Sequence[str | None]
    said: FloatArray
    alerts: npt.NDArray[np.bool_]
    horizons: FloatArray
    drivers: Sequence[Sequence[Driver]]


def without_prediction(reasons: Mapping[str, str], as_of: pd.Timestamp | None = None) -> AssetPredictions:
    """Judge assets of which nothing can be said.

    Parameters
    ----------
    reasons
        The assets, each with the reason.
    as_of
        The cut-off, where one was asked for.

    Returns
    -------
    AssetPredictions
    """
    n = len(reasons)
    nothing = np.full(n, np.nan)
    return AssetPredictions(
        assets=list(reasons),
        as_of=np.full(n, UNKNOWN if as_of is None else microseconds_of(as_of)),
        read_at=np.full(n, UNKNOWN),
        reasons=list(reasons.values()),
        said=nothing,
        alerts=np.zeros(n, dtype=np.bool_),
        horizons=np.empty((n, 0)),
        drivers=[()] * n,
    )


@dataclass(frozen=True)
class Response:
    """What is answered and stored of one asset.

    Parameters
    ----------
    shown
        What is answered.
    answer
        What is stored of it.
    prediction
        The prediction; None if there is no number.
    """

    shown: PredictionAnswer
    answer: Answer
    prediction: Prediction | None


@dataclass(frozen=True)
class ResponseBuilder:
    """Write the answers of one champion.

    Parameters
    ----------
    champion
        The champion.
    freshness
        What is fresh, and how long an answer holds.
    """

    champion: Champion
    freshness: Freshness

    def compose(self, judged: AssetPredictions, made_at: pd.Timestamp, counted_to: int | None) -> list[Response]:
        """Write an answer for each of the assets.

        Parameters
        ----------
        judged
            What the model says of them.
        made_at
            The time.
        counted_to
            The instant up to which the age of telemetry is counted, in microseconds since 1970; None for each one's
            own cut-off.

        Returns
        -------
        list of Response
        """
        return [self._one(judged, row, made_at, counted_to) for row in range(len(judged.assets))]

    def _one(self, judged: AssetPredictions, row: int, made_at: pd.Timestamp, counted_to: int | None) -> Response:
        artifact, identifier = self.champion.artifact, new_prediction_id()
        as_of, read_at, reason = int(judged.as_of[row]), int(judged.read_at[row]), judged.reasons[row]
        age = None if read_at == UNKNOWN else (as_of if counted_to is None else counted_to) - read_at
        told = reason is None
        if told and age is not None:
            reason = self.freshness.why_stale(age)
        status: Status = "abstained" if not told else "ok" if reason is None else "stale"
        failure = artifact.target == "failure"
        value = float(judged.said[row]) if told else None
        shown = PredictionAnswer(
            prediction_id=identifier,
            asset=judged.assets[row],
            status=status,
            reason=reason,
            as_of=None if as_of == UNKNOWN else format_microseconds(as_of),
            last_reading_at=None if read_at == UNKNOWN else format_microseconds(read_at),
            feature_age_seconds=None if age is None else age / _MICROSECONDS,
            valid_until=format_microseconds(as_of + self.freshness.valid_for) if told else None,
            probability=value if failure else None,
            horizons=self._horizons(judged.horizons[row]) if told else [],
            horizon_hours=None if artifact.horizon is None else artifact.horizon / _HOUR,
            lead_hours=artifact.lead / _HOUR,
            remaining_life_hours=None if failure else value,
            threshold=artifact.threshold if told else None,
            alert=bool(judged.alerts[row]) if told else None,
            drivers=[_driver(driver) for driver in judged.drivers[row]] if told else [],
            model_name=self.champion.name,
            model_version=self.champion.version,
            model_digest=artifact.digest,
        )
        cut_off = None if as_of == UNKNOWN else pd.Timestamp(as_of, unit="us", tz="UTC")
        answer = Answer(
            prediction_id=identifier,
            asset=shown["asset"],
            as_of=cut_off,
            made_at=made_at,
            status=status,
            reason=reason,
            model_name=shown["model_name"],
            model_version=shown["model_version"],
            model_digest=shown["model_digest"],
            answer=_ADAPTER.dump_json(shown).decode(),
        )
        prediction = _prediction(shown, artifact, cut_off, made_at) if told and cut_off is not None else None
        return Response(shown, answer, prediction)

    def _horizons(self, probabilities: FloatArray) -> list[HorizonAnswer]:
        return [
            HorizonAnswer(hours=horizon / _HOUR, probability=float(probability))
            for horizon, probability in zip(self.champion.artifact.horizons, probabilities, strict=True)
        ]


def response_text(answers: Sequence[Answer]) -> str:
    """Write the body of a reply: the answers as they are stored.

    Parameters
    ----------
    answers
        The answers, in the order asked.

    Returns
    -------
    str
        JSON of a `PredictAnswer`.
    """
    return f'{{"predictions":[{",".join(answer.answer for answer in answers)}]}}'


def new_prediction_id() -> str:
    """Draw an identifier that no other prediction has.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    return uuid.uuid4().hex


def _driver(driver: Driver) -> DriverAnswer:
    return DriverAnswer(
        channel=driver.channel, share=float(driver.share), raises=bool(driver.raises), words=driver.words
    )


def _prediction(shown: PredictionAnswer, artifact: Artifact, as_of: pd.Timestamp, made_at: pd.Timestamp) -> Prediction:
    return Prediction(
        prediction_id=shown["prediction_id"],
        asset=shown["asset"],
        as_of=as_of,
        made_at=made_at,
        horizon_s=(artifact.horizon or pd.Timedelta(0)) / _SECOND,
        lead_s=artifact.lead / _SECOND,
        probability=shown["probability"],
        remaining_life_h=shown["remaining_life_hours"],
        threshold=shown["threshold"],
        alert=bool(shown["alert"]),
        model_name=shown["model_name"],
        model_version=shown["model_version"],
        origin="endpoint",
    )
