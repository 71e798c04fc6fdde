"""What a scoring run stores: predictions, answers and features, under ids that are the same whenever it runs."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.records.answer_records import Answer, add_predictions
from data_contracts.records.asset_records import answers_of, stored_ids
from data_contracts.records.draw_records import AlarmDraw
from data_contracts.records.outbox.alarm_events import AlarmTerms
from data_contracts.records.records import Prediction, open_records
from data_contracts.tables.stored_features import StoredFeatures, store_features
from data_contracts.workspace import Workspace
from features.extraction.latest_readings import UNKNOWN
from features.telemetry.sorted_times import IntArray
from models.artifact.reasons import Reason
from models.artifact.scoring import DetailedScores, condition_answer, interval_answers, mode_answers
from models.hold_back.draws import Draw
from models.registry.registry import LoadedModel

# The namespace of the ids of batch predictions; another one would give other ids to predictions stored already.
_NAMESPACE = uuid.UUID("0b9b3a5e-6a3d-5f0c-9d7e-2f8f6f1c4a11")
_HOUR = pd.Timedelta(hours=1)


def prediction_id(model_name: str, version: int, asset: str, as_of: pd.Timestamp) -> str:
    """Return the id of a batch prediction, the same whenever it is made."""
    return str(uuid.uuid5(_NAMESPACE, f"{model_name}/{version}/{asset}/{as_of.tz_convert('UTC').isoformat()}"))


def store_new(
    workspace: Workspace,
    batch: Sequence[Prediction],
    answers: Sequence[Answer],
    draws: Sequence[AlarmDraw] = (),
    *,
    announce: AlarmTerms | None = None,
) -> int:
    """Store the predictions, answers and draws that are not in the records yet; return how many predictions.

    With them go the events of alarms that they open, by the terms `announce`.
    """
    records = open_records(workspace.records_url)
    known = stored_ids(records, [prediction.prediction_id for prediction in batch])
    # An asset may have been predicted for, and its failure at the time of the cut-off been reported since.
    without = {prediction.prediction_id for prediction in batch}
    known |= set(answers_of(records, [one.prediction_id for one in answers if one.prediction_id not in without]))
    new = [prediction for prediction in batch if prediction.prediction_id not in known]
    drawn = {prediction.prediction_id for prediction in new}
    add_predictions(
        records,
        new,
        [answer for answer in answers if answer.prediction_id not in known],
        [draw for draw in draws if draw.prediction_id in drawn],
        announce=announce,
    )
    return len(new)


def store_scored_features(
    workspace: Workspace,
    model: LoadedModel,
    details: DetailedScores,
    latest: IntArray,
    made_at: pd.Timestamp,
    shares: npt.NDArray[np.float64] | None = None,
) -> None:
    """Store the features that were scored, so that the endpoint can give and explain the same predictions at once."""
    frame = details.frame
    latest_cut_off = pd.Timestamp(frame["as_of"].max())
    run = StoredFeatures(
        as_of=latest_cut_off,
        assets=frame["asset"].tolist(),
        read_at=[_timestamp(time) for time in latest.tolist()],
        reasons=[None if pd.isna(reason) else str(reason) for reason in frame["reason"]],
        features=details.features.to_numpy(dtype=np.float64),
        reason_codes=[None if reason is None else reason.code for reason in details.reasons],
        cut_offs=None if frame["as_of"].eq(latest_cut_off).all() else frame["as_of"].tolist(),
        shares=shares,
    )
    store_features(workspace, model.name, model.artifact.recipe.digest, run, now=made_at)


def answers_of_scores(
    model: LoadedModel,
    details: DetailedScores,
    latest: IntArray,
    reasons: Sequence[Reason | None],
    made_at: pd.Timestamp,
    shares: npt.NDArray[np.float64] | None = None,
) -> Iterator[Answer]:
    """Yield what a prediction has no columns for, under the names of the endpoint's responses, where there is one."""
    artifact = model.artifact
    hours = [horizon / _HOUR for horizon in artifact.horizons]
    frame = details.frame
    none = pd.Series(np.nan, index=frame.index)
    values, unusual = frame.get("condition", none), frame.get("anomaly_score", none)
    predicted = frame["remaining_life_h"] if artifact.target == "remaining_life" else values
    intervals = interval_answers(artifact, np.asarray(predicted, dtype=np.float64))
    other = np.zeros((len(frame), 2)) if shares is None else shares
    modes = mode_answers(artifact, details.modes)
    columns = (
        details.probabilities.tolist(),
        latest.tolist(),
        reasons,
        values,
        intervals,
        unusual,
        modes,
        other.tolist(),
    )
    for asset, as_of, probabilities, time, reason, value, interval, anomaly, by_mode, (overridden, simulated) in zip(
        frame["asset"], frame["as_of"], *columns, strict=True
    ):
        if reason is not None and reason.code != "stale":
            continue
        identifier = prediction_id(model.name, model.version, asset, as_of)
        horizons = [{"hours": h, "probability": p} for h, p in zip(hours, probabilities, strict=True)]
        read_at = _timestamp(time)
        last = None if read_at is None else read_at.isoformat()
        content: dict[str, Any] = {"prediction_id": identifier, "last_reading_at": last, "horizons": horizons}
        if artifact.target == "remaining_life":
            content["remaining_life_interval"] = interval
        if artifact.target == "anomaly":
            content["anomaly_score"] = None if pd.isna(anomaly) else float(anomaly)
        if by_mode is not None:
            content["modes"] = by_mode
        if overridden or simulated:
            content["provenance"] = {"overridden": overridden, "simulated": simulated}
        if artifact.about is not None:
            content["condition"] = condition_answer(artifact, None if pd.isna(value) else float(value), as_of, interval)
        yield _answer(model, asset, as_of, "ok" if reason is None else "stale", reason, content, made_at)


def absent_answers(
    model: LoadedModel,
    absent: Mapping[str, Reason],
    cut_offs: Mapping[str, pd.Timestamp],
    latest: pd.Timestamp,
    made_at: pd.Timestamp,
) -> Iterator[Answer]:
    """Yield that assets do not run, in place of a prediction; `latest` is the cut-off of those that have none."""
    for asset, reason in absent.items():
        as_of = cut_offs.get(asset, latest)
        identifier = prediction_id(model.name, model.version, asset, as_of)
        yield _answer(model, asset, as_of, reason.code, reason, {"prediction_id": identifier}, made_at)


def _answer(
    model: LoadedModel,
    asset: str,
    as_of: pd.Timestamp,
    status: str,
    reason: Reason | None,
    content: Mapping[str, Any],
    made_at: pd.Timestamp,
) -> Answer:
    more = {} if reason is None else {"reason_code": reason.code}
    return Answer(
        prediction_id=content["prediction_id"],
        asset=asset,
        as_of=as_of,
        made_at=made_at,
        status=status,
        reason=None if reason is None else reason.words,
        model_name=model.name,
        model_version=model.version,
        model_digest=model.artifact.digest,
        answer=json.dumps({**content, **more}),
    )


def predictions_of(model: LoadedModel, scores: pd.DataFrame, made_at: pd.Timestamp) -> list[Prediction]:
    """Return the predictions of scores, as of `models.artifact.scoring.score`."""
    artifact = model.artifact
    horizon = pd.Timedelta(0) if artifact.horizon is None else artifact.horizon
    return [
        Prediction(
            prediction_id=prediction_id(model.name, model.version, row["asset"], row["as_of"]),
            asset=row["asset"],
            as_of=row["as_of"],
            made_at=made_at,
            horizon_s=horizon.total_seconds(),
            lead_s=artifact.lead.total_seconds(),
            probability=_number(row["probability"]),
            remaining_life_h=_number(row["remaining_life_h"]),
            threshold=_number(row["threshold"]),
            alert=bool(row["alert"]),
            model_name=model.name,
            model_version=model.version,
            origin="batch",
        )
        for row in scores.to_dict("records")
    ]


def records_of_draws(predicted: Sequence[Prediction], draws: Mapping[str, Draw]) -> list[AlarmDraw]:
    """Return the records of the draws that predictions follow, given by asset."""
    return [
        draws[one.asset].of(one.prediction_id, one.model_name, one.asset, one.as_of)
        for one in predicted
        if one.asset in draws
    ]


def _timestamp(time: int) -> pd.Timestamp | None:
    """Convert a latest reading, in microseconds since 1970 (UTC)."""
    return None if time == UNKNOWN else pd.Timestamp(time, unit="us", tz="UTC")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
