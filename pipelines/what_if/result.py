"""The result of a what-if comparison."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from features.names import format_duration
from models.outcomes.error_rates import as_json
from models.what_if.alternatives import Alternative
from models.what_if.compared import EXPECTED, Compared
from models.what_if.event_costs import EventCosts
from models.what_if.visits import Span

# Figures whose keys in the answer are not their names.
_KEYS = {EXPECTED: "failures"}


@dataclass(frozen=True)
class Recorded:
    """What the record has of the time that is compared."""

    failures: int
    visits: int  # after alarms and audits
    repaired: int  # of these found a defect, and repaired it before it failed
    in_vain: int  # of these found none


@dataclass(frozen=True)
class WhatIfResult:
    """Alternatives beside what is done today."""

    subject: str  # today's model, in words
    experiment: str
    simulated: int  # how many fleets; 0 on the record itself
    span: Span
    own: tuple[float, pd.Timedelta]  # today's model's threshold and horizon
    today: Alternative
    recorded: Recorded
    costs: EventCosts
    hours_measured: bool  # whether the hours that a failed machine stands are the record's
    given: tuple[str, ...]  # the names of the costs that were given
    response: tuple[pd.Timedelta, int | None]  # and of how many visits it was measured; None if it was not
    detectable: tuple[pd.Timedelta, bool]  # and whether it was assumed
    part_lead: pd.Timedelta
    rows: tuple[Compared, ...]  # today first
    crews_by_settings: bool = False  # whether [planning] says how many machines crews visit today
    fitted: tuple[str, ...] = ()  # what simulated fleets rest on
    routine_every: pd.Timedelta | None = None  # the median time between routine work in the record
    answers: tuple[str, ...] = ()  # what each alternative changes, in sentences
    assumed: tuple[str, ...] = ()  # what was assumed, and what cannot be answered
    page: str | None = None  # the file it was written to
    stored: str | None = None  # where it is kept for the endpoint's page, within the workspace

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "model": self.subject,
            "experiment": self.experiment,
            "on": "simulated fleets" if self.simulated else "recorded history",
            "simulated": self.simulated,
            "since": self.span.since.isoformat(),
            "until": self.span.until.isoformat(),
            "assets": len(self.span.assets),
            "recorded": asdict(self.recorded),
            "today": {
                **_settings(self.today),
                "own_threshold": self.own[0],
                "own_horizon": format_duration(self.own[1]),
            },
            "costs": {
                **asdict(self.costs.of_asset),
                **{k: v for k, v in asdict(self.costs).items() if k != "of_asset"},
            },
            "response": str(self.response[0]),
            "detectable": str(self.detectable[0]),
            "rows": [_row(one) for one in self.rows],
            "sentences": list(self.answers),
            "assumed": list(self.assumed),
            "page": self.page,
            "stored": self.stored,
        }


def _row(one: Compared) -> dict[str, Any]:
    figures = {_KEYS.get(name, name): asdict(each) for name, each in one.figures.items()}
    differences = {_KEYS.get(name, name): asdict(each) for name, each in one.differences.items()}
    open_part = {
        "repaired_in_record": one.open_defects,
        "unknown_visits": one.unknown_visits,
        "cost_at_least": one.cost_at_least,
        "cost_at_most": one.cost_at_most,
        "difference_at_least": one.difference_at_least,
        "difference_at_most": one.difference_at_most,
    }
    return {
        "name": one.name,
        **_settings(one.alternative),
        "model": one.model,
        "figures": as_json(figures),
        "differences": as_json(differences),
        "cheaper": one.cheaper,
        "not_identified": as_json(open_part),
    }


def _settings(one: Alternative) -> dict[str, Any]:
    return {
        "threshold": one.threshold,
        "horizon": None if one.horizon is None else format_duration(one.horizon),
        "machines_per_day": one.machines_per_day,
        "inspect_every": None if one.inspect_every is None else format_duration(one.inspect_every),
        "stock": dict(one.stock),
        "version": one.version,
    }
