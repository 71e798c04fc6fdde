"""Answers of `POST /worklist`."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypeAliasType, TypedDict  # pydantic reads those of `typing` only from Python 3.12 on

from models.planning import left_out
from serving.schemas.answers.times import Time

_EXAMPLE_TIME = ["2026-01-05T06:00:00Z"]
LeftOutCode = TypeAliasType("LeftOutCode", left_out.Why)


class WorklistLine(TypedDict):
    """An asset to repair."""

    rank: Annotated[int, Field(description="From 1: by day, then by savings.")]
    asset: str
    action: NotRequired[Annotated[Literal["repair"], Field(json_schema_extra={"default": "repair"})]]
    day: Annotated[int, Field(description="Index of the day, from 0.")]
    begins: Annotated[Time, Field(description="Start of that day, and of the repair.", examples=_EXAMPLE_TIME)]
    latest: Annotated[
        Time,
        Field(
            description="The last whole hour at which a repair is expected to cost less than none.",
            examples=_EXAMPLE_TIME,
        ),
    ]
    repair_hours: float
    saves: Annotated[float, Field(description="Expected savings.")]
    expected_cost: Annotated[float, Field(description="With this repair.")]
    expected_cost_without: Annotated[float, Field(description="Without any repair.")]
    probability_before: Annotated[float, Field(description="Of a failure before the repair begins.")]
    probability_without: Annotated[float, Field(description="Of a failure up to `until`, without a repair.")]
    prediction_id: Annotated[str, Field(description="The prediction behind this line.")]
    as_of: Annotated[Time, Field(description="Cut-off of that prediction.", examples=_EXAMPLE_TIME)]
    mode: NotRequired[
        Annotated[str, Field(description="The most probable failure mode, where the model tells modes apart.")]
    ]
    mode_share: NotRequired[Annotated[float, Field(description="Its probability if the asset fails.", ge=0, le=1)]]


class LeftOutLine(TypedDict):
    """An asset that is not on the list, and why."""

    asset: str
    why: Annotated[
        LeftOutCode,
        Field(
            description="abstained, stale, failed and retired are the asset's status; there is no prediction. "
            "held_back: its alarm is held back at random."
        ),
    ]
    reason: Annotated[
        str, Field(examples=["no crew free before 2026-01-07 06:00 UTC: what they do in place of it saves more"])
    ]
    saves: Annotated[float | None, Field(description="Savings of a repair on the best day; null without a prediction.")]
    latest: Annotated[Time | None, Field(description="As for a line; null where a repair never costs less.")]
    prediction_id: str | None
    as_of: Time | None


class WorklistAnswer(TypedDict):
    """Which assets to repair on which day, and which are left out."""

    start: Annotated[Time, Field(description="Start of the first day.", examples=_EXAMPLE_TIME)]
    counted_from: Annotated[
        Time,
        Field(description="Costs count from now, or from `start` if that has passed.", examples=_EXAMPLE_TIME),
    ]
    until: Annotated[
        Time,
        Field(description="Costs count up to this time; remaining life has no value after it.", examples=_EXAMPLE_TIME),
    ]
    days: int
    model_name: str
    model_version: int
    lines: list[WorklistLine]
    left_out: list[LeftOutLine]
    expected_cost: Annotated[float, Field(description="Of all assets with a prediction, with this list.")]
    expected_cost_without: Annotated[float, Field(description="Of the same assets, without any repair.")]
    saves: float
    best: Annotated[bool, Field(description="Whether the solver finished before its time limit.")]
    another_saves_at_most: Annotated[float, Field(description="Upper bound of what another list could save more.")]
    notes: Annotated[list[str], Field(description="The assumptions made.")]
