"""What is asked of a what-if comparison, and what it may cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import pandas as pd

from data_contracts.errors import UsageError, did_you_mean
from models.experiment.plans import CostPlan
from models.parts.catalogue import USUAL_KEEPING
from models.planning.cost_settings import CostSettings
from models.planning.worklist_costs import Costs
from models.what_if.alternatives import Alternative, Stock
from models.what_if.event_costs import EventCosts

COSTS = {
    "failure": "of one failure, besides downtime",
    "in_vain": "of a visit that finds nothing",
    "planned": "of a repair in time, besides downtime",
    "downtime_per_hour": "of an hour that a machine stands because it failed",
    "planned_downtime_per_hour": "of an hour that it stands for a planned repair",
    "unplanned_hours": "hours that it stands because it failed",
    "planned_hours": "hours that it stands for a planned repair",
    "shortage": "of a part that is missing",
    "part_price": "of one part",
    "keeping_a_year": "of keeping a part for a year, as a share of its price",
}
YEAR = pd.Timedelta(days=365.25)
_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class WhatIfConfig:
    """What to compare; what is None is taken from the model, the experiment or the record."""

    alternatives: tuple[Alternative, ...]
    today: Alternative = field(default_factory=Alternative)
    since: pd.Timestamp | None = None  # what happens from here on counts
    until: pd.Timestamp | None = None
    train_at: pd.Timestamp | float | None = None  # train then, as the back-test does, a time or days; never if None
    response: pd.Timedelta | None = None  # from an alarm to its visit
    detectable: pd.Timedelta | None = None  # how long before a failure an inspection finds its defect
    part_lead: pd.Timedelta | None = None  # from an order of a part to its arrival
    costs: Mapping[str, float] = field(default_factory=lambda: _NONE)  # by the names of `COSTS`
    simulate: int = 0  # how many fleets to simulate; the record itself is replayed if 0
    seed: int = 0
    crews_by_settings: bool = False  # whether today's crews are those of the workspace's settings

    def __post_init__(self) -> None:
        for name in self.costs:
            if name not in COSTS:
                raise UsageError(
                    f"no cost {name!r}", f"one of {', '.join(COSTS)}", did_you_mean(name, COSTS) or "Name one of these"
                )
        if self.simulate < 0 or self.simulate == 1:
            raise UsageError(f"{self.simulate} simulated fleets", "2 or more", "Give a larger --simulate")
        modes = {mode for one in self.alternatives for mode, _ in one.stock}
        if missing := sorted(modes - {mode for mode, _ in self.today.stock}):
            raise UsageError(
                f"another stock for {missing[0]}, and none that is kept today",
                "today's stock too, which it is compared with",
                f"Add --today stock={missing[0]}=1, with the number kept today",
            )

    @property
    def rows(self) -> tuple[Alternative, ...]:
        """Return today and its alternatives, each once."""
        return tuple(dict.fromkeys((self.today, *self.alternatives)))


def declared_costs(settings: CostSettings, *, stood: float | None) -> dict[str, float]:
    """Return what the workspace's settings say of `COSTS`; hours that the record has are the record's."""
    declared = {name: getattr(settings, name, None) for name in COSTS}
    declared["planned_downtime_per_hour"] = settings.planned_hour
    declared["unplanned_hours"] = settings.unplanned_hours if stood is None else None
    return {name: value for name, value in declared.items() if value is not None}


def event_costs(given: Mapping[str, float], errors: CostPlan, *, stood: float | None, span: pd.Timedelta) -> EventCosts:
    """Return what events cost: as given, else by the experiment's costs of errors.

    `stood` is how many hours machines stood after a failure in the record; None where it does not say.
    """
    by_hour = bool(given.get("downtime_per_hour") and given.get("unplanned_hours", stood))
    of_asset = Costs(
        planned=given.get("planned", 0.0),
        # The cost of a missed failure has its downtime in it, unless hours are counted by themselves.
        failure=given.get("failure", 0.0 if by_hour else errors.missed_failure),
        downtime_per_hour=given.get("downtime_per_hour", 0.0),
        unplanned_hours=given.get("unplanned_hours", stood or 0.0),
        planned_downtime_per_hour=given.get("planned_downtime_per_hour", 0.0),
    )
    return EventCosts(
        of_asset=of_asset,
        in_vain=given.get("in_vain", errors.false_alarm),
        planned_hours=given.get("planned_hours", 0.0),
        shortage=given.get("shortage", of_asset.of_failure),
        keeping=given.get("part_price", 0.0) * given.get("keeping_a_year", USUAL_KEEPING) * (span / YEAR),
    )


def parse_stock(texts: Sequence[str]) -> tuple[Stock, ...]:
    """Read stocks such as ``bearing=2`` or ``bearing=2,pump=1``.

    Examples
    --------
    >>> parse_stock(["bearing=2,pump=1", "bearing=3"])
    ((('bearing', 2), ('pump', 1)), (('bearing', 3),))
    """
    return tuple(tuple(map(_stock_of, text.split(","))) for text in texts)


def _stock_of(text: str) -> tuple[str, int]:
    mode, equals, number = text.partition("=")
    if not (mode.strip() and equals and number.strip().isdigit()):
        raise UsageError(f"a stock {text!r}", "a failure mode and a number, such as bearing=2", "Write it so")
    return mode.strip(), int(number)
