"""How the predictions about a machine went, model by model, with its alarms."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.records.asset_records import answers_of
from data_contracts.records.overview.fleet_predictions import course_of
from models.alarms import Alarm
from serving.pages.charts.line_chart import LineChart, Mark, Span, TimeFrame, line_chart
from serving.pages.fleet_state.risks import Risk

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

Measure = Literal["probability", "life", "anomaly"]
_MOST_ROWS = 100
_MOST_SCORES = 500
"""Scores of anomalies stand in the answers alone, which are long: the newest are read."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """How the predictions of one model went."""

    risk: Risk  # the newest
    measure: Measure
    chart: LineChart
    rows: tuple[tuple[pd.Timestamp, float, bool], ...]  # cut-off, value, and whether an alarm was open, newest first
    predictions: int  # in the frame; the table has the newest


def risk_courses(
    worker: "WorkerContext",
    asset: str,
    risks: Sequence[Risk],
    alarms: Sequence[Alarm],
    marks: Sequence[Mark],
    frame: TimeFrame,
) -> tuple[Course, ...]:
    """Draw the course of each model that has a number for a machine, in the order of the risks."""
    engine = worker.predictor.log.commit.engine()
    rows = course_of(engine, asset, since=frame.start, until=frame.end)
    found = []
    for number, risk in enumerate(risks):
        own = rows[rows["model_name"] == risk.model]
        measure, values = _values(worker, own)
        if measure is None or not len(own):
            continue
        of_model = [alarm for alarm in alarms if alarm.model == risk.model]
        chart = line_chart(
            f"risk-{number}",
            own["as_of"],
            values,
            frame,
            limit=risk.threshold,
            from_zero=True,
            marks=marks,
            spans=[Span("alarm", one.since, one.last_alert, one.model) for one in of_model],
        )
        found.append(Course(risk, measure, chart, _table(own["as_of"], values, of_model), len(own)))
    return tuple(found)


def _values(worker: "WorkerContext", rows: pd.DataFrame) -> tuple[Measure | None, Floats]:
    for measure, column in (("probability", "probability"), ("life", "remaining_life_h")):
        values = rows[column].to_numpy(dtype=np.float64)
        if not np.isnan(values).all():
            return ("probability" if measure == "probability" else "life"), values
    scores = _scores(worker, rows)
    return (None if np.isnan(scores).all() else "anomaly"), scores


def _scores(worker: "WorkerContext", rows: pd.DataFrame) -> Floats:
    """Return the anomaly score of each prediction, as answered; NaN where it has none."""
    newest = rows["prediction_id"].iloc[-_MOST_SCORES:]
    answers = answers_of(worker.predictor.log.commit.engine(), newest.tolist())
    scores = {name: json.loads(text).get("anomaly_score") for name, text in answers.items()}
    return rows["prediction_id"].map(scores).to_numpy(dtype=np.float64)


def _table(
    at: "pd.Series[pd.Timestamp]", values: Floats, alarms: Sequence[Alarm]
) -> tuple[tuple[pd.Timestamp, float, bool], ...]:
    newest = list(zip(at, values.tolist(), strict=True))[: -_MOST_ROWS - 1 : -1]
    return tuple(
        (time, value, any(one.since <= time <= one.last_alert for one in alarms))
        for time, value in newest
        if not np.isnan(value)
    )
