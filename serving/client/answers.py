"""The types of the endpoint's answers, as its OpenAPI document describes them.

What a newer endpoint says beside these fields is there too: a program that knows nothing of it need not care.
"""

from typing import Any, Literal, TypedDict


class HorizonAnswer(TypedDict):
    """The probability of a failure within one horizon."""

    hours: float
    probability: float


class DriverAnswer(TypedDict):
    """What one channel has to do with a prediction."""

    channel: str
    share: float
    raises: bool
    words: str


class PredictionAnswer(TypedDict):
    """What the model says of one asset at one cut-off."""

    prediction_id: str
    asset: str
    status: Literal["ok", "stale", "abstained"]
    reason: str | None
    as_of: str | None
    last_reading_at: str | None
    feature_age_seconds: float | None
    valid_until: str | None
    probability: float | None
    horizons: list[HorizonAnswer]
    horizon_hours: float | None
    lead_hours: float
    remaining_life_hours: float | None
    threshold: float | None
    alert: bool | None
    drivers: list[DriverAnswer]
    model_name: str
    model_version: int
    model_digest: str


class PredictAnswer(TypedDict):
    """One answer for each asset, in the order asked; every one is stored."""

    predictions: list[PredictionAnswer]


class WorklistLine(TypedDict):
    """A machine to repair."""

    rank: int
    asset: str
    action: Literal["repair"]
    day: int
    begins: str
    latest: str
    repair_hours: float
    saves: float
    expected_cost: float
    expected_cost_without: float
    probability_before: float
    probability_without: float
    prediction_id: str
    as_of: str


class LeftOutLine(TypedDict):
    """A machine that is not on the list, and why."""

    asset: str
    why: Literal["saves_less_than_it_costs", "no_crew_free", "too_long_for_a_day", "no_alert", "abstained", "retired"]
    reason: str
    saves: float | None
    latest: str | None
    prediction_id: str | None
    as_of: str | None


class WorklistAnswer(TypedDict):
    """What to repair on which day, and what is left out."""

    start: str
    counted_from: str
    until: str
    days: int
    model_name: str
    model_version: int
    lines: list[WorklistLine]
    left_out: list[LeftOutLine]
    expected_cost: float
    expected_cost_without: float
    saves: float
    best: bool
    another_saves_at_most: float
    notes: list[str]


class StoredWork(TypedDict):
    """What became of a report."""

    work_order_id: str
    asset: str
    state: Literal["stored", "corrected", "already_there"]
    known_time: str


class WorkOrdersAnswer(TypedDict):
    """What became of each report, in the order sent; all of it is stored."""

    work_orders: list[StoredWork]


class PredictionRecord(TypedDict):
    """A prediction as it was made."""

    prediction_id: str
    as_of: str
    made_at: str
    probability: float | None
    remaining_life_hours: float | None
    threshold: float | None
    alert: bool
    horizon_hours: float
    lead_hours: float
    model_name: str
    model_version: int
    origin: str


class OutcomeRecord(TypedDict):
    """What is believed of an alarm episode or a failure."""

    at: str
    state: str
    known_at: str
    matured_at: str
    evidence: list[str]
    model_name: str
    model_version: int


class FailureRecord(TypedDict):
    """A failure."""

    failure_id: str
    event_time: str
    known_time: str
    mode: str | None


class WorkRecord(TypedDict):
    """A work order as it was last reported."""

    work_order_id: str
    event_time: str
    known_time: str
    kind: str
    component: str | None
    finding: str | None
    prompted_by: str | None
    prediction_id: str | None


class HistoryAnswer(TypedDict):
    """What was foretold of an asset, what happened to it and what was done; the newest first, everywhere."""

    asset: str
    since: str | None
    limit: int
    predictions: list[PredictionRecord]
    episodes: list[OutcomeRecord]
    failures: list[FailureRecord]
    failure_outcomes: list[OutcomeRecord]
    work_orders: list[WorkRecord]


class WhyAnswer(TypedDict):
    """What was said under a prediction's id, from what, and what became of it."""

    prediction_id: str
    asset: str
    status: str
    reason: str | None
    as_of: str | None
    made_at: str
    model_name: str
    model_version: int
    model_digest: str | None
    horizon_hours: float | None
    lead_hours: float | None
    probability: float | None
    horizons: list[dict[str, float]]
    remaining_life_hours: float | None
    threshold: float | None
    alert: bool
    drivers: list[dict[str, Any]]
    outcome: str
    evidence: list[str]
    sentences: list[str]


class RefusedAnswer(TypedDict):
    """A version that was given the alias of the champion, or of a challenger, and does not do."""

    version: int
    reason: str


class WorkerAnswer(TypedDict):
    """What one worker process serves."""

    pid: int
    version: int | None
    digest: str | None
    since: str | None


class ShadowAnswer(TypedDict):
    """What became of the traffic that this worker's challengers were to score, since it started."""

    versions: list[int]
    refused: list[RefusedAnswer]
    scored: int
    dropped: int
    failed: int
    lag_seconds: float


class ModelAnswer(TypedDict):
    """The model that answers, in this worker and in the others."""

    name: str
    version: int
    digest: str
    since: str
    asset_type: str
    target: str
    horizon_hours: float | None
    lead_hours: float
    channels: list[str]
    swap_age_seconds: float
    refused: RefusedAnswer | None
    workers: list[WorkerAnswer]
    agreed: bool
    shadow: ShadowAnswer
