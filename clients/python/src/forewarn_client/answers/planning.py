"""Worklists, and what became of reports.

Generated from the OpenAPI document by `make reference`.
"""

from typing import Literal, NotRequired, TypeAlias, TypedDict


class WorklistLine(TypedDict):
    """An asset to repair."""

    rank: int
    """From 1: by day, then by savings."""
    asset: str
    action: NotRequired[Literal["repair"]]
    day: int
    """Index of the day, from 0."""
    begins: str
    """Start of that day, and of the repair."""
    latest: str
    """The last whole hour at which a repair is expected to cost less than none."""
    repair_hours: float
    saves: float
    """Expected savings."""
    expected_cost: float
    """With this repair."""
    expected_cost_without: float
    """Without any repair."""
    probability_before: float
    """Of a failure before the repair begins."""
    probability_without: float
    """Of a failure up to `until`, without a repair."""
    prediction_id: str
    """The prediction behind this line."""
    as_of: str
    """Cut-off of that prediction."""
    mode: NotRequired[str]
    """The most probable failure mode, where the model tells modes apart."""
    mode_share: NotRequired[float]
    """Its probability if the asset fails."""


LeftOutCode: TypeAlias = Literal[
    "saves_less_than_it_costs",
    "no_crew_free",
    "too_long_for_a_day",
    "no_alert",
    "held_back",
    "abstained",
    "stale",
    "failed",
    "retired",
]


class LeftOutLine(TypedDict):
    """An asset that is not on the list, and why."""

    asset: str
    why: LeftOutCode
    """abstained, stale, failed and retired are the asset's status; there is no prediction. held_back: its alarm is
    held back at random.
    """
    reason: str
    saves: float | None
    """Savings of a repair on the best day; null without a prediction."""
    latest: str | None
    """As for a line; null where a repair never costs less."""
    prediction_id: str | None
    as_of: str | None


class WorklistAnswer(TypedDict):
    """Which assets to repair on which day, and which are left out."""

    start: str
    """Start of the first day."""
    counted_from: str
    """Costs count from now, or from `start` if that has passed."""
    until: str
    """Costs count up to this time; remaining life has no value after it."""
    days: int
    model_name: str
    model_version: int
    lines: list[WorklistLine]
    left_out: list[LeftOutLine]
    expected_cost: float
    """Of all assets with a prediction, with this list."""
    expected_cost_without: float
    """Of the same assets, without any repair."""
    saves: float
    best: bool
    """Whether the solver finished before its time limit."""
    another_saves_at_most: float
    """Upper bound of what another list could save more."""
    notes: list[str]
    """The assumptions made."""


WorkState: TypeAlias = Literal["stored", "corrected", "already_there"]


class StoredWork(TypedDict):
    """The result of one report."""

    work_order_id: str
    asset: str
    state: WorkState
    known_time: str
    """Known since this time."""


class WorkOrdersAnswer(TypedDict):
    """The result of each report, in the order sent; all are stored."""

    work_orders: list[StoredWork]
