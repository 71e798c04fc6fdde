"""Build what is answered and stored for each asset from a model's predictions."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.records.answer_records import Answer
from data_contracts.records.draw_records import AlarmDraw
from data_contracts.records.records import Prediction
from features.extraction.latest_readings import UNKNOWN
from models.artifact.artifact import Artifact
from models.artifact.explanations.drivers import Driver
from models.artifact.reasons import Reason
from models.artifact.scoring import condition_answer, interval_answers, mode_answers
from models.hold_back.draws import Draw
from serving.deployment.champion import Champion
from serving.prediction.freshness import Freshness
from serving.schemas.answer_json import adapter_of
from serving.schemas.answers import (
    ConditionAnswer,
    DriverAnswer,
    HorizonAnswer,
    IntervalAnswer,
    ModeAnswer,
    PredictionAnswer,
    ProvenanceAnswer,
    Status,
)
from serving.schemas.cycle_figures import add_cycles
from serving.schemas.instants import format_microseconds, microseconds_of

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_HOUR, _SECOND = pd.Timedelta(hours=1), pd.Timedelta(seconds=1)
_MICROSECONDS = 1_000_000
# Of the reasons that have a status of their own.
_STATUSES: Mapping[str, Status] = {"stale": "stale", "failed": "failed", "retired": "retired"}
_ADAPTER = adapter_of(PredictionAnswer)


@dataclass(frozen=True)
class AssetPredictions:
    """A model's predictions for some of the assets of a request, or the reasons why there are none."""

    assets: Sequence[str]
    as_of: IntArray  # (n,): cut-offs in microseconds since 1970; UNKNOWN where there is none
    read_at: IntArray  # (n,): latest readings used, likewise
    reasons: Sequence[Reason | None]  # why there is no prediction; None where there is one
    predictions: FloatArray  # (n,): probabilities, hours of remaining life, values; NaN without a prediction
    alerts: npt.NDArray[np.bool_]  # (n,)
    horizons: FloatArray  # (n, n_horizons): probabilities within each horizon
    drivers: Sequence[Sequence[Driver]]  # empty where no explanations are requested
    # (n, n_modes): probabilities of a failure by each mode within the horizon of alerts; None without a mode model
    modes: FloatArray | None = None
    # Of the assets whose windows hold values that were overridden or simulated.
    provenance: Mapping[str, ProvenanceAnswer] = field(default_factory=dict)

    def alerting(self) -> dict[str, pd.Timestamp]:
        """Return the cut-offs of the assets whose prediction is an alert."""
        return {
            self.assets[row]: _instant(int(self.as_of[row]))
            for row in np.flatnonzero(self.alerts).tolist()
            if self.reasons[row] is None and self.as_of[row] != UNKNOWN
        }


def abstentions(reasons: Mapping[str, Reason], as_of: pd.Timestamp | None = None) -> AssetPredictions:
    """Return entries without a prediction for assets with their reasons, at the request's cut-off if it has one."""
    n = len(reasons)
    return AssetPredictions(
        assets=list(reasons),
        as_of=np.full(n, UNKNOWN if as_of is None else microseconds_of(as_of)),
        read_at=np.full(n, UNKNOWN),
        reasons=list(reasons.values()),
        predictions=np.full(n, np.nan),
        alerts=np.zeros(n, dtype=np.bool_),
        horizons=np.empty((n, 0)),
        drivers=[()] * n,
    )


@dataclass(frozen=True)
class Response:
    """What is answered and stored for one asset."""

    answer: PredictionAnswer
    record: Answer
    prediction: Prediction | None  # None without a number
    draw: AlarmDraw | None = None  # None unless alarms are held back and this is an alert


@dataclass(frozen=True)
class ResponseBuilder:
    """Build the responses of one champion."""

    champion: Champion
    freshness: Freshness

    def build(
        self,
        predicted: AssetPredictions,
        made_at: pd.Timestamp,
        age_at: int | None,
        draws: Mapping[str, Draw] = MappingProxyType({}),
    ) -> list[Response]:
        """Build a response for each asset.

        The age of telemetry counts up to `age_at`, in microseconds since 1970; up to each asset's cut-off if None.
        `draws` are those of the assets that alert, where alarms are held back.
        """
        intervals = interval_answers(self.champion.artifact, predicted.predictions)
        responses = []
        for row, interval in enumerate(intervals):
            draw = draws.get(predicted.assets[row])
            responses.append(self._build(predicted, row, interval, made_at, age_at, draw))
        return responses

    def _build(
        self,
        predicted: AssetPredictions,
        row: int,
        interval: dict[str, float] | None,
        made_at: pd.Timestamp,
        age_at: int | None,
        draw: Draw | None,
    ) -> Response:
        artifact, prediction_id = self.champion.artifact, new_prediction_id()
        as_of, read_at, reason = int(predicted.as_of[row]), int(predicted.read_at[row]), predicted.reasons[row]
        age = None if read_at == UNKNOWN else (as_of if age_at is None else age_at) - read_at
        has_prediction = reason is None
        if has_prediction and age is not None:
            reason = self.freshness.staleness.reason(age)
        words = None if reason is None else reason.words
        status = _status(reason)
        value = float(predicted.predictions[row]) if has_prediction else None
        answer = PredictionAnswer(
            prediction_id=prediction_id,
            asset=predicted.assets[row],
            status=status,
            reason=words,
            reason_code=None if reason is None else reason.code,
            as_of=None if as_of == UNKNOWN else format_microseconds(as_of),
            last_reading_at=None if read_at == UNKNOWN else format_microseconds(read_at),
            feature_age_seconds=None if age is None else age / _MICROSECONDS,
            valid_until=format_microseconds(as_of + self.freshness.valid_for) if has_prediction else None,
            probability=value if artifact.target == "failure" else None,
            horizons=self._horizons(predicted.horizons[row]) if has_prediction else [],
            horizon_hours=None if artifact.horizon is None else artifact.horizon / _HOUR,
            lead_hours=artifact.lead / _HOUR,
            remaining_life_hours=value if artifact.target == "remaining_life" else None,
            remaining_life_interval=cast("IntervalAnswer", interval) if artifact.target == "remaining_life" else None,
            threshold=artifact.threshold if has_prediction else None,
            alert=bool(predicted.alerts[row]) if has_prediction else None,
            drivers=[_driver(driver) for driver in predicted.drivers[row]] if has_prediction else [],
            target=artifact.target,
            model_name=self.champion.name,
            model_version=self.champion.version,
            model_digest=artifact.digest,
        )
        if artifact.target == "anomaly":
            answer["anomaly_score"] = value
            if has_prediction:
                answer["baseline"] = "own" if answer["asset"] in artifact.baselines else "type"
        if has_prediction and predicted.modes is not None:
            by_mode = mode_answers(artifact, predicted.modes[[row]])[0]
            answer["modes"] = cast("list[ModeAnswer]", by_mode)
        add_cycles(answer, artifact.clock)
        if answer["asset"] in predicted.provenance:
            answer["provenance"] = predicted.provenance[answer["asset"]]
        cut_off = None if as_of == UNKNOWN else _instant(as_of)
        stored = _prediction(answer, artifact, cut_off, made_at) if has_prediction and cut_off is not None else None
        drawn = None
        if draw is not None and stored is not None:
            # What is stored stays the model's decision; the answer is what somebody is to do.
            answer["alert"], answer["held_back"] = not draw.held_back, draw.held_back
            drawn = draw.of(prediction_id, self.champion.name, stored.asset, stored.as_of)
        if artifact.about is not None and cut_off is not None:
            predicted_value = value if artifact.target == "condition" else None
            answer["condition"] = cast(
                "ConditionAnswer", condition_answer(artifact, predicted_value, cut_off, interval)
            )
        record = Answer(
            prediction_id=prediction_id,
            asset=answer["asset"],
            as_of=cut_off,
            made_at=made_at,
            status=status,
            reason=words,
            model_name=answer["model_name"],
            model_version=answer["model_version"],
            model_digest=answer["model_digest"],
            answer=_ADAPTER.dump_json(answer).decode(),
        )
        return Response(answer, record, stored, drawn)

    def _horizons(self, probabilities: FloatArray) -> list[HorizonAnswer]:
        return [
            HorizonAnswer(hours=horizon / _HOUR, probability=float(probability))
            for horizon, probability in zip(self.champion.artifact.horizons, probabilities, strict=True)
        ]


def _instant(microseconds: int) -> pd.Timestamp:
    return pd.Timestamp(microseconds, unit="us", tz="UTC")


def _status(reason: Reason | None) -> Status:
    return "ok" if reason is None else _STATUSES.get(reason.code, "abstained")


def response_text(records: Sequence[Answer]) -> str:
    """Return the JSON of a `PredictAnswer` from answers as they are stored, in the order of the request."""
    return f'{{"predictions":[{",".join(record.answer for record in records)}]}}'


def new_prediction_id() -> str:
    """Return a unique identifier of 32 hexadecimal digits."""
    return uuid.uuid4().hex


def _driver(driver: Driver) -> DriverAnswer:
    return DriverAnswer(
        channel=driver.channel, share=float(driver.share), raises=bool(driver.raises), words=driver.words
    )


def _prediction(answer: PredictionAnswer, artifact: Artifact, as_of: pd.Timestamp, made_at: pd.Timestamp) -> Prediction:
    return Prediction(
        prediction_id=answer["prediction_id"],
        asset=answer["asset"],
        as_of=as_of,
        made_at=made_at,
        horizon_s=(artifact.horizon or pd.Timedelta(0)) / _SECOND,
        lead_s=artifact.lead / _SECOND,
        probability=answer["probability"],
        remaining_life_h=answer["remaining_life_hours"],
        threshold=answer["threshold"],
        alert=bool(answer["alert"]),
        model_name=answer["model_name"],
        model_version=answer["model_version"],
        origin="endpoint",
    )
