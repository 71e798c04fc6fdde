"""Scoring the whole fleet from stored telemetry, and storing what was said."""

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

# Names this program's predictions among all that anyone derives from the same words.
_NAMESPACE = uuid.UUID("0b9b3a5e-6a3d-5f0c-9d7e-2f8f6f1c4a11")
_HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class ScoreResult:
    """What one scoring of the fleet said.

    Parameters
    ----------
    model_name, model_version
        The champion that was asked.
    as_of : pd.Timestamp
        Nothing known later was used.
    scored : int
        Assets with a prediction.
    stored : int
        Predictions that were not stored before.
    alerts : tuple of str
        Assets over the threshold.
    silent : tuple of str
        Assets without telemetry in the model's window, or with too little of it, for which nothing can be said.
    """

    model_name: str
    model_version: int
    as_of: pd.Timestamp
    scored: int
    stored: int
    alerts: tuple[str, ...]
    silent: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "model_name": self.model_name,
            "model_version": self.model_version,
            "as_of": self.as_of.isoformat(),
            "scored": self.scored,
            "stored": self.stored,
            "alerts": list(self.alerts),
            "silent": list(self.silent),
        }


def score_fleet(
    workspace: Workspace,
    model_name: str,
    *,
    as_of: pd.Timestamp | None = None,
    now: pd.Timestamp | None = None,
    progress: ProgressCallback = silent,
) -> ScoreResult:
    """Ask the champion about every asset, and store its answers and their features once.

    Parameters
    ----------
    workspace : Workspace
        Telemetry, registry and records.
    model_name : str
        Of the registered model.
    as_of : pd.Timestamp, optional
        Use nothing known later; by default the latest known time of the telemetry.
    now : pd.Timestamp, optional
        When the predictions are made; the present by default.
    progress : ProgressCallback
        Takes word of how far the work is.

    Returns
    -------
    ScoreResult
        The same fleet, cut-off and version again gives the same predictions and stores none.

    Raises
    ------
    NotFoundError
        If there is no champion, or no telemetry by then.
    """
    champion = load_champion(workspace, model_name)
    model, data = champion.model, champion.experiment.data
    window = max(model.artifact.recipe.windows)
    since = None if as_of is None else as_of - max(window, model.artifact.recipe.lookback)
    progress("score", 0, 3)
    history = read_history(workspace, data.asset_type, plant=data.plant, as_of=as_of, start=since)
    moment = _latest(history) if as_of is None else as_of
    asked, without = _assets(history, moment, window)
    progress("score", 1, 3)
    made_at = pd.Timestamp.now("UTC") if now is None else now
    cut_offs = pd.DataFrame({"asset": asked, "as_of": moment})
    said = score_in_detail(model.artifact, history, cut_offs)
    scores = said.frame
    withheld = scores["reason"].notna()
    without = tuple(sorted({*without, *scores.loc[withheld, "asset"]}))
    read_at = latest_readings(history, cut_offs, model.artifact.recipe)
    progress("score", 2, 3)
    _store_features(workspace, model, said, read_at, made_at)
    told = [answer for answer, none in zip(_answers(model, said, read_at, made_at), withheld, strict=True) if not none]
    scores = scores[~withheld]
    stored = _store(workspace, _predictions(model, scores, made_at), told, moment)
    progress("score", 3, 3)
    return ScoreResult(
        model_name=model.name,
        model_version=model.version,
        as_of=moment,
        scored=len(scores),
        stored=stored,
        alerts=tuple(scores.loc[scores["alert"], "asset"]),
        silent=without,
    )


def prediction_id(model_name: str, version: int, asset: str, as_of: pd.Timestamp) -> str:
    """Return the id of a batch prediction, the same whenever it is made."""
    return str(uuid.uuid5(_NAMESPACE, f"{model_name}/{version}/{asset}/{as_of.tz_convert('UTC').isoformat()}"))


def _latest(history: History) -> pd.Timestamp:
    if history.telemetry.empty:
        raise NotFoundError(
            f"no telemetry of any {history.asset_type}", "some to score from", "Bring it in with `forewarn import`"
        )
    return pd.Timestamp(history.telemetry["known_time"].max())


def _assets(history: History, as_of: pd.Timestamp, window: pd.Timedelta) -> tuple[list[str], tuple[str, ...]]:
    rows = history.telemetry
    heard = set(rows.loc[(rows["event_time"] > as_of - window) & (rows["event_time"] <= as_of), "asset"])
    if not heard:
        raise NotFoundError(
            f"no telemetry of any {history.asset_type} in the {format_duration(window)} before {as_of:%Y-%m-%d %H:%M}",
            "some to score from",
            "Ingest newer telemetry, or name another time with --as-of",
        )
    everyone = heard | set(history.assets["asset"])
    return sorted(heard), tuple(sorted(everyone - heard))


def _store(workspace: Workspace, made: Sequence[Prediction], answers: Sequence[Answer], as_of: pd.Timestamp) -> int:
    if not made:
        return 0
    records = open_records(workspace.records_url)
    there = predictions(records, model_name=made[0].model_name, since=as_of - pd.Timedelta(1, "us"), until=as_of)
    known = set(there["prediction_id"])
    fresh = [prediction for prediction in made if prediction.prediction_id not in known]
    add_predictions(records, fresh, [answer for answer in answers if answer.prediction_id not in known])
    return len(fresh)


def _store_features(
    workspace: Workspace, model: LoadedModel, said: DetailedScores, read_at: IntArray, made_at: pd.Timestamp
) -> None:
    """Keep what the predictions were made from: the endpoint can say the same again, and why, within milliseconds."""
    frame = said.frame
    run = StoredFeatures(
        as_of=frame["as_of"].iloc[0],
        assets=frame["asset"].tolist(),
        read_at=[None if time == UNKNOWN else pd.Timestamp(time, unit="us", tz="UTC") for time in read_at.tolist()],
        reasons=[None if pd.isna(reason) else str(reason) for reason in frame["reason"]],
        features=said.features.to_numpy(dtype=np.float64),
    )
    store_features(workspace, model.name, model.artifact.recipe.digest, run, now=made_at)


def _answers(model: LoadedModel, said: DetailedScores, read_at: IntArray, made_at: pd.Timestamp) -> Iterator[Answer]:
    """Write down what a prediction has no columns for, by the names that the endpoint's answers have for it."""
    artifact = model.artifact
    hours = [horizon / _HOUR for horizon in artifact.horizons]
    rows = zip(said.frame["asset"], said.frame["as_of"], said.probabilities.tolist(), read_at.tolist(), strict=True)
    for asset, as_of, chances, time in rows:
        identifier = prediction_id(model.name, model.version, asset, as_of)
        horizons = [{"hours": h, "probability": chance} for h, chance in zip(hours, chances, strict=True)]
        last = None if time == UNKNOWN else pd.Timestamp(time, unit="us", tz="UTC").isoformat()
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


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
