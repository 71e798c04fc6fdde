"""An alarm budget: how many inspections a fleet's crews can do in a time."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

import pandas as pd
from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from data_contracts.errors import UsageError
from features.names import format_duration, parse_duration

SPANS: Final = {
    "day": pd.Timedelta(days=1).as_unit("us"),
    "week": pd.Timedelta(days=7).as_unit("us"),
    "month": pd.Timedelta(days=30).as_unit("us"),
}
_PATTERN: Final = r"^\d+(\.\d+)? per (day|week|month|\d+(\.\d+)?(d|h|min|s|ms|us| cycles?))$"


@dataclass(frozen=True)
class AlarmBudget:
    """So many alarm episodes in a time, over the whole fleet."""

    alarms: float
    per: pd.Timedelta

    def __str__(self) -> str:
        """Write it as an experiment's file has it.

        Examples
        --------
        >>> str(AlarmBudget(5.0, pd.Timedelta(days=7)))
        '5 per week'
        """
        named = {span: word for word, span in SPANS.items()}
        return f"{self.alarms:g} per {named.get(self.per) or format_duration(self.per)}"

    def within(self, span: pd.Timedelta) -> float:
        """Return how many alarms it allows in a time."""
        return self.alarms * float(span / self.per)


def _parse(value: Any) -> AlarmBudget:
    if isinstance(value, AlarmBudget):
        return value
    if not isinstance(value, str) or not re.match(_PATTERN, value):
        raise ValueError("not a budget")
    number, _, span = value.partition(" per ")
    try:
        budget = AlarmBudget(float(number), SPANS.get(span) or parse_duration(span))
    except UsageError as error:
        raise ValueError(str(error)) from error
    if not budget.alarms:
        raise ValueError("a budget of nothing")
    return budget


Budget = Annotated[
    AlarmBudget,
    PlainValidator(_parse),
    PlainSerializer(str),
    WithJsonSchema(
        {
            "type": "string",
            "title": "a number of alarms above zero in a time",
            "pattern": _PATTERN,
            "examples": ["5 per week", "2 per day", "10 per 14d", "3 per 100 cycles"],
        }
    ),
]
