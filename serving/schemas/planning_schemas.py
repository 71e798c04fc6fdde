"""What may be asked and told around the planning of maintenance: strict shapes, as those of predictions are."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from serving.http.errors import ApiError, unprocessable
from serving.http.json_bodies import check_fields
from serving.schemas.schemas import Instant, Name, parse_json, path_of, show

_MOST_DAYS = 60
_MOST_ASSETS = 10_000
_EXAMPLE_TIME = ["2026-01-05T06:00:00Z"]

Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Hours = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]
Asked = TypeVar("Asked", bound=BaseModel)


class _Strict(BaseModel):
    """Take nothing that was not declared and convert nothing."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Crews(_Strict):
    """What the crews can do on a day: so many machines, or hours, or both."""

    machines_per_day: Annotated[int, Field(ge=0, le=_MOST_ASSETS)] | None = Field(
        default=None, description="Machines that can be repaired on one day."
    )
    hours_per_day: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = Field(
        default=None, description="Hours that all crews together can work on one day."
    )

    @model_validator(mode="after")
    def _say_something(self) -> Self:
        if self.machines_per_day is None and self.hours_per_day is None:
            raise PydanticCustomError("crews", "machines_per_day, hours_per_day, or both")
        return self


class CostTerms(_Strict):
    """What work and failures cost, in any one currency."""

    planned: Amount = Field(description="Of one planned repair, besides the time that the machine stands.")
    failure: Amount = Field(description="Of one failure, besides the time that the machine stands.")
    downtime_per_hour: Amount = Field(default=0.0, description="Of an hour that it stands because it failed.")
    unplanned_hours: Amount = Field(default=0.0, description="How many hours a failed machine stands.")
    planned_downtime_per_hour: Amount = Field(default=0.0, description="Of an hour that it stands for a repair.")


class AssetTerms(_Strict):
    """What is otherwise for one asset; what is left out is as for all."""

    repair_hours: Hours | None = None
    planned: Amount | None = None
    failure: Amount | None = None
    downtime_per_hour: Amount | None = None
    unplanned_hours: Amount | None = None
    planned_downtime_per_hour: Amount | None = None


class WorklistRequest(_Strict):
    """Ask what to repair on which day."""

    start: Instant | None = Field(default=None, description="When the first day begins; now if it is left out.")
    days: Annotated[int, Field(ge=1, le=_MOST_DAYS)] = Field(description="How many days to plan, of 24 hours each.")
    crews: Crews
    costs: CostTerms
    repair_hours: Hours = Field(description="How many hours crews work on a machine.")
    per_asset: dict[Name, AssetTerms] = Field(default={}, description="What is otherwise for some assets, by name.")
    assets: Annotated[list[Name], Field(min_length=1, max_length=_MOST_ASSETS, fail_fast=True)] | None = Field(
        default=None, description="The assets to plan for; all of the model's type if it is left out."
    )
    alerts_only: bool = Field(
        default=False,
        description="Plan only for machines that alert now; whoever asks anew each day spends least so.",
    )
    max_age_hours: Hours = Field(
        default=24.0, description="How long before the start a prediction may have been made from telemetry."
    )
    failures_per_hour_after_repair: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        default=0.0, description="How often a repaired machine fails; 0 counts no failure after a repair."
    )


class WorklistLine(BaseModel):
    """A machine to repair."""

    rank: int = Field(description="From 1: by day, then by what is saved.")
    asset: str
    action: Literal["repair"] = "repair"
    day: int = Field(description="Number of the day, from 0.")
    begins: str = Field(description="When that day begins, and the repair.", examples=_EXAMPLE_TIME)
    latest: str = Field(
        description="The last whole hour at which a repair is expected to cost less than none.", examples=_EXAMPLE_TIME
    )
    repair_hours: float
    saves: float = Field(description="What is expected to be saved.")
    expected_cost: float = Field(description="With this repair.")
    expected_cost_without: float = Field(description="Without any repair.")
    probability_before: float = Field(description="Of a failure before the repair begins.")
    probability_without: float = Field(description="Of a failure, without a repair, up to `until`.")
    prediction_id: str = Field(description="The prediction that this line rests on.")
    as_of: str = Field(description="Nothing known later was used for it.", examples=_EXAMPLE_TIME)


class LeftOutLine(BaseModel):
    """A machine that is not on the list, and why."""

    asset: str
    why: Literal["saves_less_than_it_costs", "no_crew_free", "too_long_for_a_day", "no_alert", "abstained", "retired"]
    reason: str = Field(examples=["no crew free before 2026-01-07 06:00 UTC: what they do in place of it saves more"])
    saves: float | None = Field(description="What a repair on the best day would save; null if nothing is foretold.")
    latest: str | None = Field(description="As of a line; null where a repair never costs less.")
    prediction_id: str | None
    as_of: str | None


class WorklistAnswer(BaseModel):
    """What to repair on which day, and what is left out."""

    start: str = Field(description="When the first day begins.", examples=_EXAMPLE_TIME)
    counted_from: str = Field(
        description="Costs are counted from now on, or from the start if that has passed.", examples=_EXAMPLE_TIME
    )
    until: str = Field(description="Up to here; what is left then has no value.", examples=_EXAMPLE_TIME)
    days: int
    model_name: str
    model_version: int
    lines: list[WorklistLine]
    left_out: list[LeftOutLine]
    expected_cost: float = Field(description="Of all assets that something is foretold of, with this list.")
    expected_cost_without: float = Field(description="Of the same, if nothing is done.")
    saves: float
    best: bool = Field(description="Whether the list was found before time was up.")
    another_saves_at_most: float = Field(description="How much more another list could save at most.")
    notes: list[str] = Field(description="What was taken for granted.")


class ReportedWork(_Strict):
    """A work order, and what was found."""

    work_order_id: Name
    asset: Name
    event_time: Instant = Field(description="When the work was done.")
    kind: Literal["routine", "inspection", "corrective"]
    component: Name | None = None
    finding: Literal["defect_confirmed", "no_fault_found", "not_inspected"] | None = None
    prompted_by: Literal["alarm", "schedule", "failure", "audit"] | None = None
    prediction_id: Name | None = Field(default=None, description="The prediction it goes back to.")
    known_time: Instant | None = Field(
        default=None, description="When it was reported; now if it is left out. A later report corrects an earlier one."
    )


class WorkOrdersRequest(_Strict):
    """Report work, or correct what was reported."""

    work_orders: Annotated[list[ReportedWork], Field(min_length=1, max_length=1_000, fail_fast=True)]


class StoredWork(BaseModel):
    """What became of a report."""

    work_order_id: str
    asset: str
    state: Literal["stored", "corrected", "already_there"]
    known_time: str = Field(description="Since when it is known.", examples=_EXAMPLE_TIME)


class WorkOrdersAnswer(BaseModel):
    """What became of each report, in the order sent; all of it is stored."""

    work_orders: list[StoredWork]


class PredictionRecord(BaseModel):
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


class OutcomeRecord(BaseModel):
    """What is believed of an alarm episode or a failure."""

    at: str = Field(description="When the episode was opened, or the failure happened.")
    state: str = Field(description="Such as tp, fp, caught or missed; pending until `matured_at`.")
    known_at: str = Field(description="Since when it is believed.")
    matured_at: str = Field(description="From when on it counts.")
    evidence: list[str] = Field(examples=[["failure:F-000017"]])
    model_name: str
    model_version: int


class FailureRecord(BaseModel):
    """A failure."""

    failure_id: str
    event_time: str
    known_time: str
    mode: str | None


class WorkRecord(BaseModel):
    """A work order as it was last reported."""

    work_order_id: str
    event_time: str
    known_time: str
    kind: str
    component: str | None
    finding: str | None
    prompted_by: str | None
    prediction_id: str | None


class HistoryAnswer(BaseModel):
    """What was foretold of an asset, what happened to it and what was done; the newest first, everywhere."""

    asset: str
    since: str | None
    limit: int = Field(description="No list is longer.")
    predictions: list[PredictionRecord]
    episodes: list[OutcomeRecord] = Field(description="Alarm episodes, as far as the monitor has looked at them.")
    failures: list[FailureRecord]
    failure_outcomes: list[OutcomeRecord] = Field(description="Whether failures were foreseen, as the monitor found.")
    work_orders: list[WorkRecord]


class WhyAnswer(BaseModel):
    """What was said under a prediction's id, from what, and what became of it."""

    prediction_id: str
    asset: str
    status: str
    reason: str | None
    as_of: str | None = Field(description="Telemetry known up to then was used.")
    made_at: str
    model_name: str
    model_version: int
    model_digest: str | None = Field(description="Null if it is no longer known: neither stored nor served.")
    horizon_hours: float | None
    lead_hours: float | None
    probability: float | None
    horizons: list[dict[str, float]] = Field(description="As they were answered; none if none were.")
    remaining_life_hours: float | None
    threshold: float | None
    alert: bool
    drivers: list[dict[str, Any]] = Field(description="As they were answered; none if none were.")
    outcome: str = Field(description="Such as tp or fp for an alert; not_known_yet until it can be known.")
    evidence: list[str]
    sentences: list[str] = Field(description="The same for people.")


def parse(body: bytes, shape: type[Asked]) -> Asked:
    """Read a request's body as one of these shapes.

    Parameters
    ----------
    body
        The body, JSON in UTF-8.
    shape
        What it has to be.

    Returns
    -------
    BaseModel
        The request.

    Raises
    ------
    ApiError
        If it is not JSON (400), or not such a request (422, with the path of the first field at fault).
    """
    content = parse_json(body)
    check_fields(content)
    return validated(content, shape)


def validated(content: Mapping[str, Any], shape: type[Asked]) -> Asked:
    """Check a request's content against a shape.

    Parameters
    ----------
    content
        JSON values.
    shape
        What they have to be.

    Returns
    -------
    BaseModel
        The request.

    Raises
    ------
    ApiError
        Of status 422, with the path of the first field at fault.
    """
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False)[0], shape) from None


def _refusal(details: ErrorDetails, shape: type[BaseModel]) -> ApiError:
    field, kind, value = path_of(details["loc"]), details["type"], details["input"]
    if kind == "missing":
        return unprocessable(field, "nothing", "this field", "Add it")
    if kind == "extra_forbidden":
        known = ", ".join(_shape_at(details["loc"][:-1], shape).model_fields)
        return unprocessable(field, "an unknown field", f"only {known}", "Remove it")
    if kind == "crews":
        return unprocessable(field, "neither", details["msg"], "Send one of them")
    expected = details["msg"].removeprefix("Input should be ").removeprefix("Value should have ")
    return unprocessable(field, show(value), expected[:1].lower() + expected[1:])


def _shape_at(location: tuple[int | str, ...], shape: type[BaseModel]) -> type[BaseModel]:
    inner: dict[str, type[BaseModel]] = {
        "crews": Crews,
        "costs": CostTerms,
        "per_asset": AssetTerms,
        "work_orders": ReportedWork,
    }
    return inner.get(str(location[0]), shape) if location else shape
