"""Windows, stride and horizon to start from, by the rhythm of the data and the time between failures."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from features.clock import TIME, Clock
from features.names import format_duration, parse_duration

_READINGS = (12, 48)  # in the short and in the long window
_MOST_CUT_OFFS = 200_000
_SHARE = 10  # a horizon is this part of the time between failures
_ROUND = tuple(
    parse_duration(text).total_seconds()
    for text in (
        *("10ms", "50ms", "100ms", "500ms", "1s", "2s", "5s", "10s", "15s", "30s"),
        *("1min", "2min", "5min", "10min", "15min", "30min"),
        *("1h", "2h", "3h", "4h", "6h", "8h", "12h", "24h", "48h", "72h"),
        *("7d", "14d", "30d", "60d", "90d", "180d"),
    )
)


@dataclass(frozen=True)
class Suggestion:
    """What to write into an experiment first."""

    window: tuple[str, ...]
    stride: str
    horizon: str | None  # None without failures
    stride_s: float
    clock: Clock = TIME
    life: str | None = None  # the usual time to a failure; None without failures

    @property
    def words(self) -> str:
        """Write it as in an experiment."""
        windows = ", ".join(f'"{window}"' for window in self.window)
        horizon = "" if self.horizon is None else f', horizon = "{self.horizon}"'
        cycle = "" if self.clock.cycle is None else f" (a cycle is {format_duration(self.clock.cycle)})"
        return f"window = [{windows}], {self._cut_offs}{horizon}{cycle}"

    @property
    def _cut_offs(self) -> str:
        return 'cut_offs = "rows"' if self.at_rows else f'stride = "{self.stride}"'

    @property
    def at_rows(self) -> bool:
        """Whether each reading is worth a cut-off: it is a cycle, and they are not too many."""
        return self.clock.cycle is not None and self.stride_s <= self.clock.cycle.total_seconds()

    @property
    def distance(self) -> str:
        """Say how far apart cut-offs are."""
        return self.clock.duration(parse_duration(self.stride))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        cut_offs = {"cut_offs": "rows"} if self.at_rows else {}
        return {"window": list(self.window), "stride": self.stride, "horizon": self.horizon, **cut_offs}


def suggest(
    profiles: pd.DataFrame, interval_s: float | None, between_s: "pd.Series[float]", clock: Clock = TIME
) -> Suggestion | None:
    """Suggest windows of some dozen readings, a stride that gives a manageable number of cut-offs, and a horizon.

    None where no asset has two readings. `between_s` are the seconds that led to each failure.
    """
    if not interval_s or not np.isfinite(interval_s):
        return None
    observed = (profiles["last"] - profiles["first"]).dt.total_seconds()
    rounded = partial(_rounded, clock=clock)
    short, long = (rounded(interval_s * count) for count in _READINGS)
    # No window longer than most assets are known for.
    long = min(long, max(short, rounded(float(observed.median()) / 2)))
    # Each cycle is worth a cut-off.
    every = max(interval_s, short / 6) if clock.cycle is None else interval_s
    stride = max(rounded(every), _rounded_up(float(observed.sum()) / _MOST_CUT_OFFS))
    horizon = life = None
    if len(between_s):
        horizon = max(rounded(float(between_s.median()) / _SHARE), 2 * stride)
        life = max(rounded(float(between_s.median())), 2 * stride)
    return Suggestion(
        window=tuple(dict.fromkeys(_text(window) for window in (short, long))),
        stride=_text(stride),
        horizon=None if horizon is None else _text(horizon),
        stride_s=stride,
        clock=clock,
        life=None if life is None else _text(life),
    )


def horizons_to_try(suggestion: Suggestion, asked: pd.Timedelta | None) -> Sequence[float]:
    """Return horizons around the suggested one, and the one that was asked for, in seconds."""
    middle = None if suggestion.horizon is None else parse_duration(suggestion.horizon).total_seconds()
    around = () if middle is None else (middle / 2, middle, middle * 2)
    wanted = () if asked is None else (asked.total_seconds(),)
    return sorted({*around, *wanted})


def expected_positives(leads: pd.DataFrame, horizons: Sequence[float], stride_s: float) -> dict[str, int]:
    """Count the cut-offs on a stride that a failure follows within each horizon, in seconds.

    None lies before the asset's first reading or the failure before (`span_s` before the failure), nor after its last
    reading (`silent_s` before it).
    """
    spans, silent = (leads[name].to_numpy(dtype=np.float64) for name in ("span_s", "silent_s"))
    observed = {horizon: (np.minimum(spans, horizon) - silent).clip(min=0) for horizon in horizons}
    return {_text(horizon): int(np.floor(seconds / stride_s).sum()) for horizon, seconds in observed.items()}


def _rounded(seconds: float, clock: Clock = TIME) -> float:
    """Return the nearest round duration: one that people use, or 1, 2, 5, 10 and so on of cycles."""
    round_ones: Sequence[float] = _ROUND
    if clock.cycle is not None:
        round_ones = [number * 10**power * clock.cycle.total_seconds() for power in range(6) for number in (1, 2, 5)]
    return min(round_ones, key=lambda each: abs(np.log(each) - np.log(max(seconds, 1e-3))))


def _rounded_up(seconds: float) -> float:
    return next((each for each in _ROUND if each >= seconds), _ROUND[-1])


def _text(seconds: float) -> str:
    return format_duration(pd.Timedelta(seconds=seconds).as_unit("us"))
