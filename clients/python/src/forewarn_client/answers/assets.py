"""Assets, and what happened to them.

Generated from the OpenAPI document by `make reference`.
"""

from typing import NotRequired, TypedDict


class AssetRecord(TypedDict):
    """A plant, line, machine or component, and what it is part of."""

    asset: str
    """Its identifier, by which predictions are asked for."""
    name: str
    """What people call it."""
    level: str
    """plant, line, machine or component."""
    parent: str | None
    """The asset that it is part of."""
    plant: str | None
    """The plant's name."""
    line: str | None
    """The line's name."""
    path: list[str]
    """All that it is part of, the plant first."""
    asset_type: str | None
    model: str | None
    status: str | None
    """in_service or retired; null where nothing says."""


class AssetsAnswer(TypedDict):
    """Assets, sorted by identifier."""

    as_of: str
    level: str
    """What is listed: machine unless the request names another, or any."""
    total: int
    """How many there are altogether."""
    limit: int
    next: str | None
    """The `after` of the following page; null on the last one."""
    assets: list[AssetRecord]


class PredictionRecord(TypedDict):
    """A prediction as it was made."""

    prediction_id: str
    as_of: str
    made_at: str
    probability: float | None
    remaining_life_hours: float | None
    threshold: float | None
    alert: bool
    """Whether to act, as answered."""
    held_back: NotRequired[bool]
    """As answered: an alarm held back at random."""
    horizon_hours: float
    lead_hours: float
    model_name: str
    model_version: int
    origin: str


class OutcomeRecord(TypedDict):
    """The outcome of an alarm episode or a failure, as known now."""

    at: str
    """When the episode was opened, or the failure happened."""
    state: str
    """Such as tp, fp, caught or missed; pending until `matured_at`."""
    known_at: str
    """Since when this state is known."""
    matured_at: str
    """From when on it counts."""
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
    note: str | None


class HistoryAnswer(TypedDict):
    """An asset's predictions, outcomes, failures and work orders; each list starts with the newest."""

    asset: str
    since: str | None
    limit: int
    """Maximum length of each list."""
    predictions: list[PredictionRecord]
    episodes: list[OutcomeRecord]
    """Alarm episodes, up to the last monitoring run."""
    failures: list[FailureRecord]
    failure_outcomes: list[OutcomeRecord]
    """Whether failures were caught, up to the last monitoring run."""
    work_orders: list[WorkRecord]
