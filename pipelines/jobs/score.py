"""Score the whole fleet from stored telemetry, and store predictions and features."""

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.errors import NotFoundError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.answer_records import Answer, add_predictions
from data_contracts.records.records import Prediction, open_records, predictions
from data_contracts.tables.history import History, read_history
from data_contracts.tables.stored_features import StoredFeatures, store_features
from data_contracts.workspace import Workspace
from features.extraction.latest_readings import UNKNOWN, latest_readings
from features.names import format_duration
from features.telemetry.sorted_times import IntArray
from models.artifact.scoring import DetailedScores, score_in_detail
from models.registry.registry import LoadedModel
from pipelines.evidence.champion import load_champion
from pipelines.jobs.risk_list import Risk, by_risk, first_risks

# The namespace of the ids of batch predictions; another one would give other ids to predictions stored already.
_NAMESPACE = uuid.UUID("0b9b3a5e-6a3d-5f0c-9d7e-2f8f6f1c4a11")
_HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class ScoreResult:
    """One scoring of the fleet by its champion."""

    model_name: str
    model_version: int
    as_of: pd.Timestamp
    scored: int  # assets with a prediction
    stored: int  # predictions that were not stored before
    alerts: tuple[str, ...]  # assets over the threshold
    silent: tuple[str, ...]  # assets with no or too little telemetry in the model's window: no prediction
    risks: tuple[Risk, ...] = ()  # all scored assets, the riskiest first
    top: int | None = None  # how many of them to list; those over the threshold by default

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "model_name": self.model_name,
            "model_version": self.model_version,
            "as_of": self.as_of.isoformat(),
            "scored": self.scored,
            "stored": self.stored,
            "alerts": list(self.alerts),
            "silent": list(self.silent),
            "by_risk": [risk.to_dict() for risk in first_risks(self.risks, self.top)],
        }


def score_fleet(
    workspace: Workspace,
    model_name: str,
    *,
    as_of: pd.Timestamp | None = None,
    now: pd.Timestamp | None = None,
    progress: ProgressCallback = silent,
) -> ScoreResult:
    """Score every asset with the champion; store the predictions and their features once.

    `as_of` defaults to the latest known time of the telemetry, `now` (when the predictions are made) to the present.
    The same fleet, cut-off and version again gives the same predictions and stores none. `NotFoundError` without a
    champion, or without telemetry in the model's window.
    """
    champion = load_champion(workspace, model_name)
    model, data = champion.model, champion.experiment.data
    window = max(model.artifact.recipe.windows)
    since = None if as_of is None else as_of - max(window, model.artifact.recipe.lookback)
    progress("score", 0, 3)
    history = read_history(workspace, data.asset_type, plant=data.plant, as_of=as_of, start=since)
    cut_off = _latest_known_time(history) if as_of is None else as_of
    active, silent_assets = _split_by_telemetry(history, cut_off, window)
    progress("score", 1, 3)
    made_at = pd.Timestamp.now("UTC") if now is None else now
    cut_offs = pd.DataFrame({"asset": active, "as_of": cut_off})
    details = score_in_detail(model.artifact, history, cut_offs)
    latest = latest_readings(history, cut_offs, model.artifact.recipe)
    progress("score", 2, 3)
    _store_features(workspace, model, details, latest, made_at)
    scored = details.frame["reason"].isna()
    scores = details.frame[scored]
    answers = [answer for answer, kept in zip(_answers(model, details, latest, made_at), scored, strict=True) if kept]
    stored = _store_new(workspace, _predictions(model, scores, made_at), answers, cut_off)
    progress("score", 3, 3)
    return ScoreResult(
        model_name=model.name,
        model_version=model.version,
        as_of=cut_off,
        scored=len(scores),
        stored=stored,
        alerts=tuple(scores.loc[scores["alert"], "asset"]),
        silent=tuple(sorted({*silent_assets, *details.frame.loc[~scored, "asset"]})),
        risks=by_risk(scores),
    )


def prediction_id(model_name: str, version: int, asset: str, as_of: pd.Timestamp) -> str:
    """Return the id of a batch prediction, the same whenever it is made."""
    return str(uuid.uuid5(_NAMESPACE, f"{model_name}/{version}/{asset}/{as_of.tz_convert('UTC').isoformat()}"))


def _latest_known_time(history: History) -> pd.Timestamp:
    if history.telemetry.empty:
        raise NotFoundError(
            f"no telemetry of any {history.asset_type}", "some to score from", "Import some with `forewarn import`"
        )
    return pd.Timestamp(history.telemetry["known_time"].max())


def _split_by_telemetry(
    history: History, as_of: pd.Timestamp, window: pd.Timedelta
) -> tuple[list[str], tuple[str, ...]]:
    """Return the assets with telemetry in the window before the cut-off, and those without."""
    rows = history.telemetry
    active = set(rows.loc[(rows["event_time"] > as_of - window) & (rows["event_time"] <= as_of), "asset"])
    if not active:
        raise NotFoundError(
            f"no telemetry of any {history.asset_type} in the {format_duration(window)} before {as_of:%Y-%m-%d %H:%M}",
            "some to score from",
            "Ingest newer telemetry, or name another time with --as-of",
        )
    return sorted(active), tuple(sorted(set(history.assets["asset"]) - active))


def _store_new(
    workspace: Workspace, batch: Sequence[Prediction], answers: Sequence[Answer], as_of: pd.Timestamp
) -> int:
    """Store the predictions that are not in the records yet; return how many."""
    if not batch:
        return 0
    records = open_records(workspace.records_url)
    stored = predictions(records, model_name=batch[0].model_name, since=as_of - pd.Timedelta(1, "us"), until=as_of)
    known = set(stored["prediction_id"])
    new = [prediction for prediction in batch if prediction.prediction_id not in known]
    add_predictions(records, new, [answer for answer in answers if answer.prediction_id not in known])
    return len(new)


def _store_features(
    workspace: Workspace, model: LoadedModel, details: DetailedScores, latest: IntArray, made_at: pd.Timestamp
) -> None:
    """Store the features that were scored, so that the endpoint can give and explain the same predictions at once."""
    frame = details.frame
    run = StoredFeatures(
        as_of=frame["as_of"].iloc[0],
        assets=frame["asset"].tolist(),
        read_at=[_timestamp(time) for time in latest.tolist()],
        reasons=[None if pd.isna(reason) else str(reason) for reason in frame["reason"]],
        features=details.features.to_numpy(dtype=np.float64),
    )
    store_features(workspace, model.name, model.artifact.recipe.digest, run, now=made_at)


def _answers(model: LoadedModel, details: DetailedScores, latest: IntArray, made_at: pd.Timestamp) -> Iterator[Answer]:
    """Yield what a prediction has no columns for, under the names of the endpoint's responses."""
    artifact = model.artifact
    hours = [horizon / _HOUR for horizon in artifact.horizons]
    frame = details.frame
    rows = zip(frame["asset"], frame["as_of"], details.probabilities.tolist(), latest.tolist(), strict=True)
    for asset, as_of, probabilities, time in rows:
        identifier = prediction_id(model.name, model.version, asset, as_of)
        horizons = [{"hours": h, "probability": p} for h, p in zip(hours, probabilities, strict=True)]
        read_at = _timestamp(time)
        last = None if read_at is None else read_at.isoformat()
        yield Answer(
            prediction_id=identifier,
            asset=asset,
            as_of=as_of,
            made_at=made_at,
            status="ok",
            reason=None,
            model_name=model.name,
            model_version=model.version,
            model_digest=artifact.digest,
            answer=json.dumps({"prediction_id": identifier, "last_reading_at": last, "horizons": horizons}),
        )


def _predictions(model: LoadedModel, scores: pd.DataFrame, made_at: pd.Timestamp) -> list[Prediction]:
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


def _timestamp(time: int) -> pd.Timestamp | None:
    """Convert a latest reading, in microseconds since 1970 (UTC)."""
    return None if time == UNKNOWN else pd.Timestamp(time, unit="us", tz="UTC")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
