"""A champion's stored predictions beside what happened or was measured later, where no drift can be decided on."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data_contracts.records.asset_records import each_answer
from data_contracts.records.records import open_records, predictions
from data_contracts.tables import tables
from data_contracts.tables.history import History, read_history
from data_contracts.tables.readings import read_channel
from data_contracts.workspace import Workspace
from features.telemetry.machines import replacements
from models.experiment.experiment import Experiment
from models.labels.breakdowns import NO_TIME
from models.labels.condition import condition_values, reach_at_readings
from models.labels.labels import remaining_life
from models.labels.observation_gaps import disjoint, retired_spans
from models.monitoring.interval_coverage import IntervalCoverage
from models.outcomes.error_rates import ErrorRates, error_rates
from models.outcomes.outcomes import outcomes
from models.training.evaluation import evaluate_condition, evaluate_remaining_life
from models.training.samples import alarm_terms, observation_rule
from pipelines.evidence.answered_intervals import answered_coverage
from pipelines.evidence.champion import MonitoredModel, judged_history

_COLUMNS = ("prediction_id", "asset", "as_of", "alert", "remaining_life_h")
_BLOCK = 500  # assets whose readings of one channel are held at once


@dataclass(frozen=True)
class MeasuredLater:
    """Predictions of one version beside what was known later."""

    predicted: int  # its predictions, one for each asset and cut-off
    compared: int  # those whose truth is known
    assets: int  # of these
    metrics: Mapping[str, float]  # of a predicted number, as in an evaluation; empty for failures
    rates: ErrorRates | None  # of its alarms; None without any
    pairs: pd.DataFrame  # asset, as_of, prediction and truth of the numbers compared
    coverage: IntervalCoverage | None = None  # of the intervals answered around them; None without any


def measure_later(workspace: Workspace, champion: MonitoredModel, *, now: pd.Timestamp) -> MeasuredLater:
    """Compare the stored predictions of a champion with what is known at `now`; of cycles all that is stored counts."""
    until = None if champion.model.artifact.clock.cycle is not None else now
    records, name, version = open_records(workspace.records_url), champion.model.name, champion.model.version
    rows = predictions(records, model_name=name, model_version=version, until=until, columns=_COLUMNS)
    rows = rows.drop_duplicates(["asset", "as_of"], keep="last").reset_index(drop=True)
    if champion.model.artifact.target == "condition":
        return _values(workspace, champion, rows, until)
    data = champion.experiment.data
    history = read_history(workspace, data.asset_type, plant=data.plant, as_of=until, start=now)
    history = judged_history(workspace, champion, history, now=now)
    rates = _rates(workspace, champion, rows, history, now)
    if champion.model.artifact.target == "remaining_life":
        return _lives(workspace, champion, rows, history, rates)
    settled = 0 if rates is None else round(rates.decision_fn.of + rates.decision_fp.of)
    return MeasuredLater(len(rows), settled, rows["asset"].nunique(), {}, rates, _no_pairs())


def _rates(
    workspace: Workspace, champion: MonitoredModel, rows: pd.DataFrame, history: History, now: pd.Timestamp
) -> ErrorRates | None:
    """Count the errors of all alarms; without a failure, what an asset did after its last reading is unknown."""
    terms = alarm_terms(champion.experiment, history, now)
    if terms is None or champion.model.artifact.threshold is None or rows.empty:
        return None
    known, _ = tables.asset_watermarks(workspace, f"telemetry/{history.asset_type}", as_of=now)
    ended = pd.DataFrame({"asset": list(known), "begins": list(known.values()), "ends": pd.NaT})
    judged = outcomes(
        rows,
        history.predicted_failures,
        history.work_orders,
        now=now,
        terms=terms,
        observation_gaps=disjoint(pd.concat([retired_spans(history.assets, now=now), ended])),
    )
    return error_rates(judged)


def _lives(
    workspace: Workspace, champion: MonitoredModel, rows: pd.DataFrame, history: History, rates: ErrorRates | None
) -> MeasuredLater:
    failures = history.predicted_failures
    last = failures["known_time"].max() if len(failures) else pd.Timestamp(0, tz="UTC")
    true = remaining_life(
        rows[["asset", "as_of"]],
        failures,
        known_until=last,
        breakdown=observation_rule(champion.experiment).breakdown,
        replacements=replacements(history.assets, now=max(last, rows["as_of"].max())) if len(rows) else None,
    )
    pairs = rows.assign(prediction=rows["remaining_life_h"], remaining_life_h=true)
    pairs = pairs[pairs["prediction"].notna() & pairs["remaining_life_h"].notna()]
    cap = champion.model.artifact.cap
    metrics = evaluate_remaining_life(pairs, cap=cap, score_at="all").metrics if len(pairs) else {}
    capped = true if cap is None else true.clip(upper=cap / pd.Timedelta(hours=1))
    coverage = answered_coverage(open_records(workspace.records_url), rows, capped)
    return replace(_compared(rows, pairs, "remaining_life_h", metrics, rates), coverage=coverage)


def _values(
    workspace: Workspace, champion: MonitoredModel, rows: pd.DataFrame, until: pd.Timestamp | None
) -> MeasuredLater:
    stored = each_answer(open_records(workspace.records_url), rows["prediction_id"].tolist())
    values = {name: (json.loads(text).get("condition") or {}).get("value") for name, text in stored}
    predicted = pd.to_numeric(rows["prediction_id"].map(values), errors="coerce").astype(np.float64)
    rows = rows.assign(prediction=predicted)
    measured = list(_measured(workspace, champion.experiment, rows[["asset", "as_of"]], until))
    truth = pd.concat(measured).reindex(rows.index) if measured else pd.Series(np.nan, index=rows.index)
    pairs = rows.assign(condition=truth)
    pairs = pairs[pairs["prediction"].notna() & pairs["condition"].notna()]
    metrics = evaluate_condition(pairs, score_at="all", training_mean=np.nan).metrics if len(pairs) else {}
    coverage = answered_coverage(open_records(workspace.records_url), rows, truth)
    return replace(_compared(rows, pairs, "condition", metrics, None), coverage=coverage)


def _measured(
    workspace: Workspace, experiment: Experiment, cut_offs: pd.DataFrame, until: pd.Timestamp | None
) -> Iterator["pd.Series[float]"]:
    """Yield what was measured at the times that values were predicted for, by the rule of the labels."""
    channel, ahead = str(experiment.label.condition), experiment.label.horizon or NO_TIME
    assets = sorted(cut_offs["asset"].unique())
    for first in range(0, len(assets), _BLOCK):
        some = assets[first : first + _BLOCK]
        table = f"telemetry/{experiment.data.asset_type}"
        telemetry = read_channel(workspace, table, channel, as_of=until, assets=some)
        own = cut_offs[cut_offs["asset"].isin(some)]
        reach = experiment.windows.stride or reach_at_readings([telemetry], channel, ahead)
        # Of cycles nothing is later than what is stored; a label waits for the time it is meant for.
        known = max(telemetry["known_time"].max(), own["as_of"].max() + ahead) if until is None else until
        yield condition_values(own, telemetry, channel, ahead=ahead, reach=reach, known_until=known)


def _compared(
    rows: pd.DataFrame, pairs: pd.DataFrame, truth: str, metrics: Mapping[str, float], rates: ErrorRates | None
) -> MeasuredLater:
    kept = pairs[["asset", "as_of", "prediction", truth]].rename(columns={truth: "truth"}).reset_index(drop=True)
    return MeasuredLater(len(rows), len(pairs), pairs["asset"].nunique(), metrics, rates, kept)


def _no_pairs() -> pd.DataFrame:
    return pd.DataFrame({"asset": [], "as_of": [], "prediction": [], "truth": []})
