"""Answers of `POST /work-orders`."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypeAliasType, TypedDict  # pydantic reads those of `typing` only from Python 3.12 on

from serving.schemas.answers.times import Time

_EXAMPLE_TIME = ["2026-01-05T06:00:00Z"]
WorkState = TypeAliasType("WorkState", Literal["stored", "corrected", "already_there"])


class StoredWork(TypedDict):
    """The result of one report."""

    work_order_id: str
    asset: str
    state: WorkState
    known_time: Annotated[Time, Field(description="Known since this time.", examples=_EXAMPLE_TIME)]


class WorkOrdersAnswer(TypedDict):
    """The result of each report, in the order sent; all are stored."""

    work_orders: list[StoredWork]
