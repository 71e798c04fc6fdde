"""How times and durations are written: as times, or in cycles where the event times of an asset type count those."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.contract.file_layout import FileLayout
from data_contracts.contract.registered import find_telemetry_contract
from data_contracts.tables import tables
from data_contracts.workspace import Workspace
from features.names import SINCE_START, format_duration, parse_duration

MONTH = pd.Timedelta(days=30)
_EPOCH = pd.Timestamp(0, tz="UTC")
_HOUR = pd.Timedelta(hours=1)
_SHORT: Final = ((2 / 60, "second", 1 / 3600), (1.0, "minute", 1 / 60))
"""Below so many hours, what durations are written in, and how many hours that is."""
_CYCLE: Final = re.compile(r"cycle (\d+(?:\.\d+)?)")
_SYMBOLS: Final = {"hour": "h", "minute": "min", "second": "s"}


@dataclass(frozen=True)
class Unit:
    """What durations are written in."""

    name: str
    hours: float  # how many hours of event time it is

    @property
    def symbol(self) -> str:
        """Return its symbol; cycles have none."""
        return _SYMBOLS.get(self.name, self.plural)

    @property
    def plural(self) -> str:
        """Return the name for a number of them."""
        return f"{self.name}s"


@dataclass(frozen=True)
class Clock:
    """How the times and durations of an asset type are written.

    Examples
    --------
    >>> by_cycle = Clock(pd.Timedelta("1h"), pd.Timestamp("2000-01-01T00:00Z"))
    >>> by_cycle.duration(pd.Timedelta("30h")), by_cycle.instant(pd.Timestamp("2000-01-02T06:00Z"))
    ('30 cycles', 'cycle 30')
    >>> TIME.duration(pd.Timedelta("30h")), TIME.instant(pd.Timestamp("2000-01-02T06:00Z"))
    ('30h', '2000-01-02 06:00')
    >>> TIME.amount(12.34), TIME.amount(0.25), TIME.amount(0.005), by_cycle.amount(12.34)
    ('12.3 hours', '15.0 minutes', '18.0 seconds', '12.3 cycles')
    """

    cycle: pd.Timedelta | None = None  # how long a cycle counts; None where times are times
    start: pd.Timestamp = _EPOCH  # the time of cycle 0

    @property
    def name(self) -> str:
        """Return the word of contracts and of JSON: "time" or "cycle"."""
        return "time" if self.cycle is None else "cycle"

    @property
    def asset_month(self) -> str:
        """Return what false alarms are counted over: 30 days of an asset, or their number of cycles."""
        return "asset-month" if self.cycle is None else f"{MONTH / self.cycle:,.6g} cycles of an asset"

    def unit(self, hours: Iterable[float]) -> Unit:
        """Choose what to write durations in: the largest of them, which is seldom told to the second, decides."""
        if self.cycle is not None:
            return Unit("cycle", self.cycle / _HOUR)
        longest = max((abs(each) for each in hours if math.isfinite(each)), default=0.0)
        return next((Unit(name, size) for below, name, size in _SHORT if 0 < longest < below), Unit("hour", 1.0))

    def amount(self, hours: float, form: str = ",.1f") -> str:
        """Write a duration in its unit."""
        unit = self.unit([hours])
        return f"{hours / unit.hours:{form}} {unit.plural}"

    def duration(self, duration: pd.Timedelta) -> str:
        """Write a duration as it was configured."""
        if self.cycle is None or duration == SINCE_START:
            return format_duration(duration)
        number = _whole(duration / self.cycle)
        return f"{number} {'cycle' if number == '1' else 'cycles'}"

    def instant(self, time: pd.Timestamp, *, seconds: bool = False) -> str:
        """Write a time, to the minute or the second; or the number of the cycle."""
        if self.cycle is not None:
            return f"cycle {_whole((time - self.start) / self.cycle)}"
        return f"{time:%Y-%m-%d %H:%M:%S}" if seconds else f"{time:%Y-%m-%d %H:%M}"

    def moment(self, time: pd.Timestamp, *, seconds: bool = False) -> str:
        """Write a time as in a sentence: with its zone, where it is a time."""
        return self.instant(time, seconds=seconds) + (" UTC" if self.cycle is None else "")

    def parse(self, text: str) -> pd.Timestamp | None:
        """Read a time that `instant` wrote of a cycle, such as "cycle 30"; None where it is no such text.

        >>> Clock(pd.Timedelta("1h"), pd.Timestamp("2000-01-01T00:00Z")).parse("cycle 30")
        Timestamp('2000-01-02 06:00:00+0000', tz='UTC')
        """
        match = _CYCLE.fullmatch(text.strip())
        return None if match is None or self.cycle is None else self.start + float(match[1]) * self.cycle

    def cycles(self, duration: pd.Timedelta) -> float | None:
        """Return a duration in cycles; None where times are times."""
        return None if self.cycle is None else duration / self.cycle

    def number(self, time: pd.Timestamp) -> float | None:
        """Return the number of the cycle of a time; None where times are times."""
        return self.cycles(time - self.start)

    def to_dict(self) -> dict[str, str]:
        """Return JSON values; empty where times are times."""
        return {} if self.cycle is None else {"cycle": format_duration(self.cycle), "start": self.start.isoformat()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Clock":
        """Read what `to_dict` wrote."""
        return cls(parse_duration(values["cycle"]), pd.Timestamp(values["start"])) if values else TIME


TIME = Clock()
"""Times are times."""


def _whole(cycles: float) -> str:
    """Write a number of cycles, to a thousandth of one."""
    return f"{round(cycles, 3):,.15g}"


def asset_clock(workspace: Workspace, asset: str) -> Clock:
    """Return how the times of one asset are written, by the contract of its type's telemetry."""
    types = tables.read(workspace, "assets", assets=[asset])["asset_type"].dropna()
    return TIME if types.empty else clock_of(find_telemetry_contract(workspace.contracts, types.iloc[-1]))


def clock_of(contract: Contract | None) -> Clock:
    """Return how the times of a contract's data are written; as times without a contract.

    How long a cycle counts, and when cycle 0 was, is in the layout of its files.
    """
    if contract is None or contract.clock != "cycle":
        return TIME
    layout = contract.file_layout or FileLayout()
    return Clock(layout.cycle_duration, layout.start_time)
