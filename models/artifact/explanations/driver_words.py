"""Feature values in words for mechanics: "spindle vibration peaks higher than usual: 9.1 mm/s where ..."."""

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import pandas as pd

from features.clock import TIME, Clock
from features.names import REGIME_MARK, parse_duration, parse_feature, parse_name, raw_channel
from models.artifact.reference_ranges import ReferenceRange

Describer = Callable[[float, ReferenceRange | None], str]
"""Describes a value, NaN where missing, against its reference range, None where that is not known."""
Phrases = tuple[str, str, str]
"""What to write of a value above, within and below its reference range."""

_LEVEL: Final = ("is higher than usual", "is as usual", "is lower than usual")
_PEAK: Final = ("peaks higher than usual", "peaks as usual", "peaks lower than usual")
_DROP: Final = ("does not drop as low as usual", "drops as low as usual", "drops lower than usual")
_SCATTER: Final = ("scatters more than usual", "scatters as usual", "scatters less than usual")
_JUMP: Final = ("jumps more than usual", "jumps as much as usual", "jumps less than usual")
_READINGS: Final = ("gave more readings than usual", "gave as many readings as usual", "gave fewer readings than usual")
_IN_UNITS: Final[Mapping[str, Phrases]] = {
    "mean": _LEVEL,
    "median": _LEVEL,
    "root_mean_square": _LEVEL,
    "maximum": _PEAK,
    "absolute_maximum": _PEAK,
    "minimum": _DROP,
    "standard_deviation": _SCATTER,
    "mean_abs_change": _JUMP,
}
_WITHOUT_UNIT: Final[Mapping[str, Phrases]] = {
    "sum_values": _LEVEL,
    "abs_energy": _LEVEL,
    "variance": _SCATTER,
    "variation_coefficient": _SCATTER,
    "absolute_sum_of_changes": _JUMP,
    "cid_ce": _JUMP,
    "length": _READINGS,
}
_TRENDS: Final[Mapping[str, str]] = {
    "linear_trend": " a reading",
    "mean_change": " a reading",
    "linear_trend_timewise": " an hour",
    "agg_linear_trend": "",
}
_PLURALS: Final[Mapping[str, str]] = {
    "is": "are",
    "has": "have",
    "does": "do",
    "peaks": "peak",
    "drops": "drop",
    "scatters": "scatter",
    "jumps": "jump",
    "rises": "rise",
    "falls": "fall",
    "reads": "read",
    "gave": "gave",
}
_VERB = re.compile(rf"(?<= )(?:{'|'.join(_PLURALS)})(?= )")
_HOUR = pd.Timedelta(hours=1)
_HIGH, _LOW = 0.75, 0.25
_DAY, _YEAR = 24.0, 8766.0
_THOUSAND = 1000.0


def describe_driver(
    column: str, unit: str | None, window: pd.Timedelta | None, *, counts: bool = False, clock: Clock = TIME
) -> Describer:
    """Return the function that describes values of a feature column, named as `features.names` writes it.

    The unit is that of its channel, None where there is none; the window is named unless it is None. `counts` says that
    the channel is a counter, whose increments the feature is of. Durations are written as the clock does.

    Examples
    --------
    >>> describe_driver("volt__mean", "V", None)(182.4, (165.0, 170.2, 176.0))
    'volt is higher than usual: 182 V where 165 to 176 is usual'
    >>> describe_driver('events__count__code_"error3"__span_"24h"', None, None)(4.0, (0.0, 0.0, 1.0))
    'error3 came 4 times in 24 h where 0 to 1 is usual'
    >>> describe_driver("starts__maximum", None, None, counts=True)(90.0, (3.0, 5.0, 8.0))
    'increments of starts peak higher than usual: 90 where 3 to 8 is usual'
    """
    if counts:
        return partial(_of_increments, describe_driver(column, unit, window, clock=clock))
    name = parse_name(column)
    calculator, parameters = parse_feature(name.feature)
    if name.is_context:
        return partial(_circumstance, name.kind, calculator, parameters, clock)
    standardised = name.kind.endswith(REGIME_MARK)
    over = "" if window is None else f" over {_spaced(clock.duration(window))}"
    place = over + (" for the way the machine runs" if standardised else "")
    measure = "" if standardised or unit is None else f" {unit}"
    channel = raw_channel(name.kind).replace("_", " ")
    scale = " (in standard deviations)" if standardised else ""
    if calculator in _TRENDS and parameters.get("attr", "slope") == "slope":
        per = _TRENDS[calculator].replace(" an hour", f" in {clock.duration(_HOUR)}" if clock.cycle else " an hour")
        return partial(_trend, channel, over, measure + per, scale)
    phrases = _phrases(calculator, parameters)
    unitless = phrases is None or calculator in _WITHOUT_UNIT
    if phrases is None:
        title = calculator.replace("_", " ")
        phrases = (f"has a higher {title} than usual", f"has its usual {title}", f"has a lower {title} than usual")
    return partial(_reading, channel, place, "" if unitless else measure, "" if unitless else scale, phrases)


def _of_increments(describe: Describer, value: float, reference: ReferenceRange | None) -> str:
    sentence = describe(value, reference)
    return "increments of " + _VERB.sub(lambda verb: _PLURALS[verb[0]], sentence, count=1)


def _phrases(calculator: str, parameters: Mapping[str, object]) -> Phrases | None:
    """Return the phrases of a calculator; None for one without a common word."""
    if calculator == "quantile" and isinstance(share := parameters.get("q"), float):
        return _PEAK if share >= _HIGH else _DROP if share <= _LOW else _LEVEL
    return _IN_UNITS.get(calculator) or _WITHOUT_UNIT.get(calculator)


def _reading(
    channel: str,
    place: str,
    unit: str,
    scale: str,
    phrases: Phrases,
    value: float,
    reference: ReferenceRange | None,
) -> str:
    if math.isnan(value):
        return f"{channel} gave too few readings to tell"
    if reference is None:
        return f"{channel}{place} reads {_number(value)}{unit}{scale}"
    above, within, below = phrases
    phrase = above if value > reference[2] else below if value < reference[0] else within
    return f"{channel} {phrase}{place}: {_number(value)}{unit}{_usual_range(reference)}{scale}"


def _trend(channel: str, place: str, unit: str, scale: str, value: float, reference: ReferenceRange | None) -> str:
    if math.isnan(value):
        return f"{channel} gave too few readings to tell"
    if reference is None:
        return f"{channel} {'rises' if value > 0 else 'falls'}{place}: {_number(value)}{unit}{scale}"
    if value > reference[2]:
        phrase = "rises" if value > 0 else "falls less than usual"
    elif value < reference[0]:
        phrase = "falls" if value < 0 else "rises less than usual"
    else:
        phrase = "is as steady as usual"
    return f"{channel} {phrase}{place}: {_number(value)}{unit}{_usual_range(reference)}{scale}"


def _circumstance(
    kind: str,
    calculator: str,
    parameters: Mapping[str, object],
    clock: Clock,
    value: float,
    reference: ReferenceRange | None,
) -> str:
    if kind == "asset" and calculator == "is_model":
        return f"it is {'a' if value > 0 else 'not a'} {parameters['model']}"
    if calculator == "count":
        code = parameters.get("code")
        span = f" in {_span(str(parameters['span']), clock)}" if "span" in parameters else ""
        count = f"{code} came {_times(value)}{span}" if code else f"work was done on it {_times(value)} so far"
        return count + _usual_range(reference)
    since = f"{clock.unit([]).plural} since" if calculator == "hours_since" else calculator.replace("_", " ")
    event, never = _last_event(kind, calculator, parameters) or (f"{since} of {kind}:", f"{since} of {kind}: not known")
    if math.isnan(value):
        return never
    ago = "" if kind == "asset" else " ago"
    age = partial(_age, clock=clock)
    return f"{event} {age(value)}{ago}{_usual_range(reference, age)}"


def _last_event(kind: str, calculator: str, parameters: Mapping[str, object]) -> tuple[str, str] | None:
    """Return what to write of an event that happened some time ago, and of one that never did."""
    if kind == "asset":
        return "it has been in service for", "it is not known how long it has been in service"
    if kind == "failures":
        return "it last failed", "it has never failed"
    if calculator == "hours_since_maintenance":
        part = str(parameters.get("component")).replace("_", " ")
        return f"its {part} was last maintained", f"its {part} has never been maintained"
    if "code" in parameters:
        return f"{parameters['code']} last came", f"{parameters['code']} has never come"
    if "kind" in parameters:
        return f"its last {parameters['kind']} work was", f"no {parameters['kind']} work has ever been done on it"
    return None


def _usual_range(reference: ReferenceRange | None, show: Callable[[float], str] | None = None) -> str:
    if reference is None:
        return ""
    low, high = (show or _number)(reference[0]), (show or _number)(reference[2])
    return f" where {low} is usual" if low == high else f" where {low} to {high} is usual"


def _times(value: float) -> str:
    return "not once" if value == 0 else "once" if value == 1 else f"{_number(value)} times"


def _age(hours: float, clock: Clock) -> str:
    unit = clock.unit([hours])
    if unit.name != "hour":
        return f"{_number(hours / unit.hours)} {unit.symbol}"
    if hours >= 2 * _YEAR:
        return f"{hours / _YEAR:.3g} years"
    return f"{_number(hours / _DAY)} days" if hours >= 3 * _DAY else f"{_number(hours)} h"


def _number(value: float) -> str:
    rounded = float(f"{value:.3g}") + 0.0  # no minus before a zero
    return f"{value:,.0f}" if abs(rounded) >= _THOUSAND else f"{rounded:g}"


def _span(text: str, clock: Clock) -> str:
    return _spaced(text if clock.cycle is None else clock.duration(parse_duration(text)))


def _spaced(duration: str) -> str:
    """Write 24h as 24 h."""
    if " " in duration:
        return duration
    digits = duration.rstrip("abcdefghijklmnopqrstuvwxyz")
    return f"{digits} {duration[len(digits) :]}".strip()
