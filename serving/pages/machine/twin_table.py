"""The state of a machine's twin, as `GET /twins/{asset}` answers it, with the ages of its values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from serving.http.errors import ApiError
from serving.pages.fleet_state.shown_time import ShownTime
from serving.pages.fleet_state.statuses import Status
from serving.routes.twins import describe

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext


@dataclass(frozen=True)
class TwinValue:
    """A value of a property."""

    value: Any
    source: str
    event_time: pd.Timestamp
    age: pd.Timedelta
    actor: str | None
    reason: str | None
    expires_at: pd.Timestamp | None


@dataclass(frozen=True)
class TwinRow:
    """A property: the value that counts, and those that it covers."""

    name: str
    unit: str | None
    current: TwinValue | None
    covered: tuple[TwinValue, ...]


@dataclass(frozen=True)
class TwinTable:
    """The state of a twin."""

    revision: int
    rows: tuple[TwinRow, ...]
    overridden: int  # properties whose value a person has set


def twin_table(worker: "WorkerContext", asset: str, status: Status, shown: ShownTime) -> TwinTable:
    """Return the state at the page's time; without rows where nothing is recorded of the machine."""
    try:
        answer = describe(worker, asset, shown.query)
    except ApiError:
        return TwinTable(0, (), 0)
    rows = tuple(
        TwinRow(
            name,
            own["unit"],
            None if own["current"] is None else _value(own["current"], status),
            tuple(_value(each, status) for each in own["covered"]),
        )
        for name, own in answer["properties"].items()
    )
    by_hand = sum(row.current is not None and row.current.source == "manual_override" for row in rows)
    return TwinTable(answer["revision"], rows, by_hand)


def _value(of: Mapping[str, Any], status: Status) -> TwinValue:
    event_time = pd.Timestamp(of["event_time"])
    return TwinValue(
        of["value"],
        of["source"],
        event_time,
        status.at - event_time,
        of["actor"],
        of["reason"],
        None if of["expires_at"] is None else pd.Timestamp(of["expires_at"]),
    )
