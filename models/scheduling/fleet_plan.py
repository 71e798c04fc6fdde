"""The worklist of a fleet: its jobs from forecasts and terms, the plan, and what it assumes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from data_contracts.records.draw_records import held_back_until
from models.planning.worklist import Costs, Job, LeftOut, Line, Risk, Worklist, days_from, plan
from models.scheduling.forecasts import Forecast
from models.scheduling.usable_forecasts import FleetForecast

_HOUR = pd.Timedelta(hours=1)
_NO_ALERT = "no alert: it can wait for its next prediction"
# A plan that could save a thousandth more is as good as the numbers that go into it.
_GAP, _SECONDS = 1e-3, 5.0


@dataclass(frozen=True)
class RepairTerms:
    """What repairing an asset takes, and what that and its failure cost."""

    repair_hours: float
    costs: Costs


@dataclass(frozen=True)
class PlanTerms:
    """What a fleet is planned by."""

    days: int
    machines_per_day: int | None
    hours_per_day: float | None
    repair: RepairTerms
    per_asset: Mapping[str, RepairTerms] = field(default_factory=dict)  # of the assets with terms of their own
    alerts_only: bool = False
    failures_per_hour_after_repair: float = 0.0

    def of(self, asset: str) -> RepairTerms:
        """Return the terms of an asset."""
        return self.per_asset.get(asset, self.repair)


@dataclass(frozen=True)
class FleetPlan:
    """A worklist with what it rests on."""

    model_name: str
    model_version: int
    start: pd.Timestamp
    terms: PlanTerms
    worklist: Worklist
    forecasts: Mapping[str, Forecast]  # by asset

    @property
    def notes(self) -> tuple[str, ...]:
        """Return the assumptions made, in plain sentences."""
        return tuple(self._notes())

    @property
    def reach(self) -> pd.Timestamp | None:
        """Return up to when every prediction reaches, if that is before the end of the count; else None."""
        ends = [each.as_of + each.lead + each.hours[-1] * _HOUR for each in self.forecasts.values()]
        return min(ends) if ends and min(ends) < self.worklist.until else None

    def _notes(self) -> Iterable[str]:
        worklist = self.worklist
        yield "A repair begins with its day and takes that day only; the machine runs until then."
        rate = self.terms.failures_per_hour_after_repair
        yield f"After a repair or failure a machine is as new: it fails {rate:g} times an hour."
        yield f"Costs are counted up to {instant(worklist.until)}; remaining life has no value after it."
        if self.reach is not None:
            yield (
                f"Predictions reach to {instant(self.reach)} at least; beyond its last horizon a machine's last "
                "hazard rate continues."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: the answer of `POST /worklist`."""
        worklist = self.worklist
        return {
            "start": instant(self.start),
            "counted_from": instant(worklist.start),
            "until": instant(worklist.until),
            "days": self.terms.days,
            "model_name": self.model_name,
            "model_version": self.model_version,
            "lines": [self._line(rank, line) for rank, line in enumerate(worklist.lines, start=1)],
            "left_out": [self._left_out(left) for left in worklist.left_out],
            "expected_cost": worklist.cost,
            "expected_cost_without": worklist.cost_without,
            "saves": worklist.saves,
            "best": worklist.proven,
            "another_saves_at_most": worklist.optimality_gap,
            "notes": list(self.notes),
        }

    def _line(self, rank: int, line: Line) -> dict[str, Any]:
        forecast = self.forecasts[line.asset]
        return {
            "rank": rank,
            "asset": line.asset,
            "action": "repair",
            "day": line.day,
            "begins": instant(line.begins),
            "latest": instant(line.latest),
            "repair_hours": self.terms.of(line.asset).repair_hours,
            "saves": line.saves,
            "expected_cost": line.cost,
            "expected_cost_without": line.cost_without,
            "probability_before": line.fails_before,
            "probability_without": line.fails,
            "prediction_id": forecast.prediction_id,
            "as_of": instant(forecast.as_of),
            **({"mode": forecast.mode, "mode_share": forecast.mode_share} if forecast.mode else {}),
        }

    def _left_out(self, left: LeftOut) -> dict[str, Any]:
        forecast = self.forecasts.get(left.asset)
        return {
            "asset": left.asset,
            "why": left.why,
            "reason": left.reason,
            "saves": left.saves,
            "latest": None if left.latest is None else instant(left.latest),
            "prediction_id": None if forecast is None else forecast.prediction_id,
            "as_of": None if forecast is None else instant(forecast.as_of),
        }


def plan_fleet(
    fleet: FleetForecast,
    terms: PlanTerms,
    *,
    model: tuple[str, int],
    start: pd.Timestamp,
    now: pd.Timestamp,
    held_back: Mapping[str, LeftOut],
) -> FleetPlan:
    """Plan the repairs of a fleet by its forecasts; `model` is the name and version that they are by.

    Assets whose alarm is held back are left out whatever their probability: nobody is to act on them.
    """
    forecasts = fleet.forecasts
    silent = [asset for asset, forecast in forecasts.items() if terms.alerts_only and not forecast.alert]
    waiting = {asset: LeftOut(asset, "no_alert", _NO_ALERT) for asset in silent}
    waiting |= {asset: left for asset, left in held_back.items() if asset in forecasts}
    worklist = plan(
        [_job(forecast, terms) for asset, forecast in forecasts.items() if asset not in waiting],
        days_from(start, terms.days, machines=terms.machines_per_day, hours=terms.hours_per_day),
        start=min(start, now),
        unknown={**fleet.left_out, **waiting},
        seconds=_SECONDS,
        gap=_GAP,
    )
    return FleetPlan(*model, start, terms, worklist, forecasts)


def held_back_assets(engine: Any, *, model_name: str, at: pd.Timestamp) -> dict[str, LeftOut]:
    """Return the assets whose alarm is held back at a time."""
    return {
        asset: LeftOut(asset, "held_back", f"its alarm is held back at random until {until:%Y-%m-%d %H:%M} UTC")
        for asset, until in held_back_until(engine, model_name=model_name, at=at).items()
    }


def _job(forecast: Forecast, terms: PlanTerms) -> Job:
    own = terms.of(forecast.asset)
    return Job(
        asset=forecast.asset,
        repair_hours=own.repair_hours,
        risk=Risk(forecast.as_of + forecast.lead, forecast.hours, forecast.probabilities),
        costs=own.costs,
        failures_per_hour_after=terms.failures_per_hour_after_repair,
    )


def instant(time: pd.Timestamp) -> str:
    """Write an instant in UTC.

    >>> instant(pd.Timestamp("2026-01-05T07:00+01:00"))
    '2026-01-05T06:00:00Z'
    """
    return time.tz_convert("UTC").as_unit("us").isoformat().replace("+00:00", "Z")
