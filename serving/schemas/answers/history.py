"""Answers about what was: an asset's history, and why something was predicted."""

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads those of `typing` only from Python 3.12 on

from serving.schemas.answers.predictions import DriverAnswer, HorizonAnswer, IntervalAnswer, ReasonCode, Status
from serving.schemas.answers.times import Time


class PredictionRecord(TypedDict):
    """A prediction as it was made."""

    prediction_id: str
    as_of: Time
    made_at: Time
    probability: float | None
    remaining_life_hours: float | None
    threshold: float | None
    alert: Annotated[bool, Field(description="Whether to act, as answered.")]
    held_back: NotRequired[Annotated[bool, Field(description="As answered: an alarm held back at random.")]]
    horizon_hours: float
    lead_hours: float
    model_name: str
    model_version: int
    origin: str


class OutcomeRecord(TypedDict):
    """The outcome of an alarm episode or a failure, as known now."""

    at: Annotated[Time, Field(description="When the episode was opened, or the failure happened.")]
    state: Annotated[str, Field(description="Such as tp, fp, caught or missed; pending until `matured_at`.")]
    known_at: Annotated[Time, Field(description="Since when this state is known.")]
    matured_at: Annotated[Time, Field(description="From when on it counts.")]
    evidence: Annotated[list[str], Field(examples=[["failure:F-000017"]])]
    model_name: str
    model_version: int


class FailureRecord(TypedDict):
    """A failure."""

    failure_id: str
    event_time: Time
    known_time: Time
    mode: str | None


class WorkRecord(TypedDict):
    """A work order as it was last reported."""

    work_order_id: str
    event_time: Time
    known_time: Time
    kind: str
    component: str | None
    finding: str | None
    prompted_by: str | None
    prediction_id: str | None
    note: str | None


class HistoryAnswer(TypedDict):
    """An asset's predictions, outcomes, failures and work orders; each list starts with the newest."""

    asset: str
    since: Time | None
    limit: Annotated[int, Field(description="Maximum length of each list.")]
    predictions: list[PredictionRecord]
    episodes: Annotated[list[OutcomeRecord], Field(description="Alarm episodes, up to the last monitoring run.")]
    failures: list[FailureRecord]
    failure_outcomes: Annotated[
        list[OutcomeRecord], Field(description="Whether failures were caught, up to the last monitoring run.")
    ]
    work_orders: list[WorkRecord]


class WhyAnswer(TypedDict):
    """What was predicted under an id, from which data, and what the outcome was."""

    prediction_id: str
    asset: str
    status: Status
    reason: str | None
    reason_code: Annotated[ReasonCode | None, Field(description="As answered; null if none was.")]
    as_of: Annotated[Time | None, Field(description="The cut-off: telemetry known by then was used.")]
    made_at: Time
    model_name: str
    model_version: int
    model_digest: Annotated[str | None, Field(description="Null if unknown: neither stored nor served now.")]
    horizon_hours: float | None
    lead_hours: float | None
    probability: float | None
    horizons: Annotated[list[HorizonAnswer], Field(description="As answered; empty if none were.")]
    remaining_life_hours: float | None
    remaining_life_interval: Annotated[IntervalAnswer | None, Field(description="As answered; null if none was.")]
    threshold: float | None
    alert: Annotated[bool | None, Field(description="Whether to act, as answered; null without a prediction.")]
    held_back: NotRequired[Annotated[bool, Field(description="As answered: an alarm held back at random.")]]
    drivers: Annotated[list[DriverAnswer], Field(description="As answered; empty if none were.")]
    outcome: Annotated[str, Field(description="Such as tp or fp for an alert; not_known_yet until it is known.")]
    evidence: list[str]
    sentences: Annotated[list[str], Field(description="The same in plain sentences.")]
