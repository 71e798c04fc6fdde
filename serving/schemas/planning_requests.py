"""Requests around planning: a worklist, and reports of finished work."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from serving.schemas.choices import Finding, Prompt, WorkKind
from serving.schemas.request_bodies import Instant, Name, RequestBody, fields_error

_MOST_DAYS = 60
_MOST_ASSETS = 10_000

Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Note = Annotated[str, Field(min_length=1, max_length=2_000, pattern="^[^\\x00]*$")]
Hours = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]


class Crews(RequestBody):
    """Daily capacity of the crews: machines, hours, or both."""

    machines_per_day: Annotated[int, Field(ge=0, le=_MOST_ASSETS)] | None = Field(
        default=None, description="Machines that can be repaired in one day."
    )
    hours_per_day: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = Field(
        default=None, description="Hours that all crews together can work in one day."
    )

    @model_validator(mode="after")
    def _check_capacity(self) -> Self:
        if self.machines_per_day is None and self.hours_per_day is None:
            raise fields_error("machines_per_day, hours_per_day, or both")
        return self


class CostTerms(RequestBody):
    """Costs of repairs and failures, in any one currency."""

    planned: Amount = Field(description="Of one planned repair, downtime excluded.")
    failure: Amount = Field(description="Of one failure, downtime excluded.")
    downtime_per_hour: Amount = Field(default=0.0, description="Of an hour of downtime after a failure.")
    unplanned_hours: Amount = Field(default=0.0, description="Hours of downtime after a failure.")
    planned_downtime_per_hour: Amount = Field(default=0.0, description="Of an hour of downtime for a planned repair.")


class AssetTerms(RequestBody):
    """Terms that differ for one asset; those left out are as in the request."""

    repair_hours: Hours | None = None
    planned: Amount | None = None
    failure: Amount | None = None
    downtime_per_hour: Amount | None = None
    unplanned_hours: Amount | None = None
    planned_downtime_per_hour: Amount | None = None


class WorklistRequest(RequestBody):
    """Plan which assets to repair on which day."""

    start: Instant | None = Field(default=None, description="Start of the first day; now by default.")
    days: Annotated[int, Field(ge=1, le=_MOST_DAYS)] = Field(description="Days to plan, of 24 hours each.")
    crews: Crews
    costs: CostTerms
    repair_hours: Hours = Field(description="Working hours of one repair.")
    per_asset: dict[Name, AssetTerms] = Field(default={}, description="Terms that differ, by asset.")
    assets: Annotated[list[Name], Field(min_length=1, max_length=_MOST_ASSETS, fail_fast=True)] | None = Field(
        default=None, description="The assets to plan for; by default all of the model's asset type."
    )
    alerts_only: bool = Field(
        default=False,
        description="Plan only for assets with an alert; cheapest if the plan is made anew each day.",
    )
    max_age_hours: Hours | None = Field(
        default=None,
        description="Maximum age of the telemetry behind a prediction, counted back from the start. By default that of "
        "predictions: what the endpoint's setting, the contract or the telemetry itself says, counted back from now, "
        "or from a start in the past.",
    )
    failures_per_hour_after_repair: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        default=0.0, description="Failure rate of a repaired asset; 0 ignores failures after a repair."
    )


class ReportedWork(RequestBody):
    """A work order, and what was found."""

    work_order_id: Name
    asset: Name
    event_time: Instant = Field(description="When the work was done.")
    kind: WorkKind
    component: Name | None = None
    finding: Finding | None = None
    prompted_by: Prompt | None = None
    prediction_id: Name | None = Field(default=None, description="The prediction that prompted the work.")
    note: Note | None = Field(default=None, description="What else there is to say of it; no names of people.")
    known_time: Instant | None = Field(
        default=None, description="When it was reported; now by default. A later report corrects an earlier one."
    )


class WorkOrdersRequest(RequestBody):
    """Report work, or correct earlier reports."""

    work_orders: Annotated[list[ReportedWork], Field(min_length=1, max_length=1_000, fail_fast=True)]
