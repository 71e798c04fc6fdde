"""From the form of the worklist to the request that a program would send."""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from models.scheduling.plan_terms import costs_by
from serving.pages.frame.local_times import read_local
from serving.schemas.instants import format_instant
from serving.schemas.planning_requests import WorklistRequest
from serving.schemas.request_bodies import parse_body

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

_WHOLE, _DECIMAL = re.compile(r"-?\d{1,18}", re.ASCII), re.compile(r"-?\d{1,18}[.,]\d{1,18}", re.ASCII)
_COSTS = ("planned", "failure", "downtime_per_hour", "unplanned_hours", "planned_downtime_per_hour")
ALERTS, ALL = "alerts", "all"


def plan_request(worker: "WorkerContext", query: Mapping[str, str], zone: str) -> WorklistRequest:
    """Read a form; what it leaves out is the workspace's setting. An empty capacity is none."""
    usual = worker.planning
    costs = costs_by(worker.costs, worker.champion().artifact.trained)
    body: dict[str, Any] = {
        "days": _value(query, "days", usual.days),
        "crews": {
            "machines_per_day": _capacity(query, "machines", usual.machines_per_day),
            "hours_per_day": _capacity(query, "hours", usual.hours_per_day),
        },
        "costs": {name: _value(query, name, getattr(costs, name)) for name in _COSTS},
        "repair_hours": _value(query, "repair_hours", usual.repair_hours),
        "alerts_only": query.get("which", ALERTS if usual.alerts_only else ALL) != ALL,
        "failures_per_hour_after_repair": usual.failures_per_hour_after_repair,
    }
    if start := query.get("start", "").strip():
        body["start"] = format_instant(read_local("start", start, zone))
    # The very rules of requests that programs send.
    return parse_body(json.dumps(body).encode(), WorklistRequest)


def _value(query: Mapping[str, str], name: str, usual: float) -> float | str:
    return _number(query[name]) if query.get(name, "").strip() else usual


def _capacity(query: Mapping[str, str], name: str, usual: float | None) -> float | str | None:
    if name not in query:
        return usual
    return _number(query[name]) if query[name].strip() else None


def _number(text: str) -> float | str:
    text = text.strip()
    if _WHOLE.fullmatch(text):
        return int(text)
    # What is no number is refused with the name of its field.
    return float(text.replace(",", ".")) if _DECIMAL.fullmatch(text) else text[:80]
