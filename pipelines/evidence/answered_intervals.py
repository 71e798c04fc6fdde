"""The intervals that a model answered, beside the numbers that came."""

import json
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.records.asset_records import each_answer
from data_contracts.records.records import predictions
from data_contracts.tables.history import History
from features.telemetry.machines import replacements
from models.labels.labels import remaining_life
from models.monitoring.interval_coverage import IntervalCoverage, interval_coverage
from models.outcomes.outcomes import Terms
from models.registry.promotion import Records
from models.training.samples import observation_rule
from pipelines.evidence.champion import MonitoredModel

_ENDS = ("low", "high", "level")
_NOWHERE = (None, None, None)


def answered_coverage(records: Records, rows: pd.DataFrame, true: "pd.Series[float]") -> IntervalCoverage | None:
    """Return how many intervals answered with predictions (prediction_id, asset) held the true numbers (n,)."""
    if rows.empty:
        return None
    stored = {name: _interval(answer) for name, answer in each_answer(records, rows["prediction_id"].tolist())}
    intervals = [stored.get(identifier, _NOWHERE) for identifier in rows["prediction_id"]]
    ends = pd.DataFrame(intervals, index=rows.index, columns=list(_ENDS)).astype(np.float64)
    answered = ends.assign(asset=rows["asset"], true=true)
    return interval_coverage(answered[answered["low"].notna()])


def life_coverage(
    records: Records, champion: MonitoredModel, history: History, gaps: pd.DataFrame, *, now: pd.Timestamp, terms: Terms
) -> IntervalCoverage | None:
    """Return how many of a champion's answered intervals held the remaining life, up to the model's cap.

    Only predictions old enough count, so that the lives of all assets are known alike: short ones end sooner, and
    would be most of those known. None for models of anything else, and for those without a cap or without intervals.
    """
    artifact = champion.model.artifact
    if artifact.target != "remaining_life" or artifact.intervals is None or artifact.cap is None:
        return None
    name, version, columns = champion.model.name, champion.model.version, ("prediction_id", "asset", "as_of")
    rows = predictions(records, model_name=name, model_version=version, until=now, columns=columns)
    rows = rows.drop_duplicates(["asset", "as_of"], keep="last").reset_index(drop=True)
    life = remaining_life(
        rows[["asset", "as_of"]],
        history.predicted_failures,
        known_until=now,
        cap=artifact.cap,
        observation_gaps=gaps,
        breakdown=observation_rule(champion.experiment).breakdown,
        replacements=replacements(history.assets, now=now),
    )
    old_enough = rows["as_of"] + artifact.cap + terms.reporting_delay <= now
    return answered_coverage(records, rows, life.where(old_enough))


def _interval(answer: str) -> tuple[float | None, ...]:
    content: dict[str, Any] = json.loads(answer)
    found = content.get("remaining_life_interval") or (content.get("condition") or {}).get("interval") or {}
    return tuple(found.get(name) for name in _ENDS)
