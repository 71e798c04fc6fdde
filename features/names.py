"""Feature names, which can be parsed back into their parts.

A column is named as in tsfresh, ``kind__calculator[__parameter_value...]``. The kind is the series that went in::

    spindle_power                a channel, when the recipe has one window
    spindle_power@50h            a channel in the window of 50 hours, when it has several
    spindle_power~regime         a channel normalised by operating regime
    spindle_power~regime@start   ... over everything since the asset's first reading

Context features (events, work orders, failures, the asset itself) follow the same grammar under the kinds in
`CONTEXT_KINDS`: ``events__count__code_"error1"__span_"24h"``.
"""

import ast
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from data_contracts.errors import UsageError

_UNIT_ROOT_TEST = "augmented_dickey_fuller"
CONTEXT_KINDS = ("events", "work_orders", "failures", "asset")
REGIME_MARK = "~regime"

#: A window that reaches back to the asset's first reading: longer than any machine lives.
SINCE_START = pd.Timedelta(days=36_525)

_UNITS = {
    "d": pd.Timedelta(days=1),
    "h": pd.Timedelta(hours=1),
    "min": pd.Timedelta(minutes=1),
    "s": pd.Timedelta(seconds=1),
    "ms": pd.Timedelta(milliseconds=1),
    "us": pd.Timedelta(microseconds=1),
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(d|h|min|s|ms|us)")
# Double underscores outside quotes: a user's error code may contain some.
_SEPARATOR = re.compile(r'__(?=(?:[^"]*"[^"]*")*[^"]*$)')


@dataclass(frozen=True)
class FeatureName:
    """The parts of a feature's name.

    Parameters
    ----------
    kind
        The series the feature is computed on, without its window.
    feature
        Calculator and parameters: the part of the name that is the same for every series.
    window
        The window in the kind; None if it has none.
    """

    kind: str
    feature: str
    window: pd.Timedelta | None = None

    @property
    def calculator(self) -> str:
        """The calculator's name."""
        return self.feature.split("__", 1)[0]

    @property
    def is_context(self) -> bool:
        """Whether the feature describes the asset's context rather than a channel."""
        return self.kind in CONTEXT_KINDS

    def __str__(self) -> str:
        return f"{format_kind(self.kind, self.window)}__{self.feature}"


def parse_duration(text: str, *, zero: bool = False) -> pd.Timedelta:
    """Parse a duration such as ``"50h"``, ``"30d"``, ``"10min"`` or ``"start"``.

    Parameters
    ----------
    text
        A number and one of the units d, h, min, s, ms, us; or ``"start"``: since the first reading.
    zero
        Whether zero is allowed, as for a lead or a gap.

    Returns
    -------
    pandas.Timedelta

    Raises
    ------
    UsageError
        When the text is not a duration, or is zero where that is not allowed.

    Examples
    --------
    >>> parse_duration("50h")
    Timedelta('2 days 02:00:00')
    >>> parse_duration("0h", zero=True)
    Timedelta('0 days 00:00:00')
    """
    if text == "start":
        return SINCE_START
    match = _DURATION.fullmatch(text.strip())
    duration = None if match is None else _duration(float(match[1]), _UNITS[match[2]])
    if duration is None or (duration == pd.Timedelta(0) and not zero):
        raise UsageError(f"The duration {text!r}", "a number and a unit, such as 50h, 30d or 10min", "Correct it")
    return duration


def _duration(number: float, unit: pd.Timedelta) -> pd.Timedelta | None:
    """Multiply, rounded to microseconds; None beyond `SINCE_START`, where pandas may overflow."""
    return (number * unit).as_unit("us") if number * (unit / SINCE_START) <= 1 else None


def format_duration(duration: pd.Timedelta) -> str:
    """Format a duration so that `parse_duration` reads it back.

    Hours are preferred: ``24h`` and ``50h`` sort and compare better in a list of features than ``1d`` and ``50h``.

    Parameters
    ----------
    duration
        A positive duration, a whole number of microseconds.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        When the duration is not a whole number of microseconds.

    Examples
    --------
    >>> format_duration(pd.Timedelta("50h")), format_duration(pd.Timedelta(days=30)), format_duration(SINCE_START)
    ('50h', '720h', 'start')
    """
    if duration == SINCE_START:
        return "start"
    for unit in ("h", "min", "s", "ms", "us"):
        number, rest = divmod(duration, _UNITS[unit])
        if rest == pd.Timedelta(0):
            return f"{number}{unit}"
    raise UsageError(f"The duration {duration}", "a whole number of microseconds", "Round it")


def format_kind(kind: str, window: pd.Timedelta | None) -> str:
    """Name a channel in a window; None leaves the window out.

    >>> format_kind("s2", pd.Timedelta("50h"))
    's2@50h'
    """
    return kind if window is None else f"{kind}@{format_duration(window)}"


def parse_kind(text: str) -> tuple[str, pd.Timedelta | None]:
    """Split a kind into its channel and its window, if it has one.

    >>> parse_kind("s2@50h")
    ('s2', Timedelta('2 days 02:00:00'))
    """
    channel, mark, window = text.rpartition("@")
    return (channel, parse_duration(window)) if mark else (text, None)


def raw_channel(kind: str) -> str:
    """Return the measured channel behind a kind.

    >>> raw_channel("s2~regime")
    's2'
    """
    return kind.removesuffix(REGIME_MARK)


def parse_name(text: str) -> FeatureName:
    """Parse a feature column's name.

    Parameters
    ----------
    text
        The column's full name, kind first.

    Returns
    -------
    FeatureName

    Raises
    ------
    UsageError
        When the text is not a full feature name.

    Examples
    --------
    >>> parse_name("s2@50h__quantile__q_0.1")
    FeatureName(kind='s2', feature='quantile__q_0.1', window=Timedelta('2 days 02:00:00'))
    """
    kind, mark, feature = text.partition("__")
    if not mark or not kind or not feature:
        raise UsageError(f"The feature name {text!r}", "kind__calculator, such as s2__mean", "Correct the name")
    channel, window = parse_kind(kind)
    return FeatureName(channel, feature, window)


def format_feature(calculator: str, parameters: Mapping[str, object] | None = None) -> str:
    """Name a calculator with its parameters, as tsfresh does.

    >>> format_feature("linear_trend", {"attr": "slope"})
    'linear_trend__attr_"slope"'
    """
    values = dict(parameters or {})
    if calculator == _UNIT_ROOT_TEST:
        # The one calculator whose name shows a parameter left at its default, and puts None into quotes.
        values["autolag"] = str(values.get("autolag", "AIC"))
    return "__".join([calculator, *(f"{name}_{_literal(values[name])}" for name in sorted(values))])


def parse_feature(text: str) -> tuple[str, dict[str, object]]:
    """Split the part of a name behind the kind into calculator and parameters.

    >>> parse_feature('agg_linear_trend__attr_"slope"__chunk_len_5__f_agg_"max"')
    ('agg_linear_trend', {'attr': 'slope', 'chunk_len': 5, 'f_agg': 'max'})
    """
    calculator, *parts = split_feature(text)
    parameters = dict(_parse_parameter(part, text) for part in parts)
    if calculator == _UNIT_ROOT_TEST and parameters.get("autolag") == "None":
        parameters["autolag"] = None
    return calculator, parameters


def split_feature(text: str) -> list[str]:
    """Split the part of a name behind the kind at its double underscores outside quotes.

    >>> split_feature('linear_trend__attr_"slope"')
    ['linear_trend', 'attr_"slope"']
    """
    return _SEPARATOR.split(text)


def is_parameter(part: str) -> bool:
    """Whether a piece between double underscores is a parameter with its value, not a calculator.

    >>> is_parameter("q_0.1"), is_parameter("mean_n_absolute_max")
    (True, False)
    """
    try:
        _parse_parameter(part, part)
    except UsageError:
        return False
    return True


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _parse_parameter(part: str, full_name: str) -> tuple[str, object]:
    name, _, value = part.rpartition("_")
    # A quoted value may contain underscores.
    if part.endswith('"') and '_"' in part:
        name, _, value = part[:-1].partition('_"')
        return name, value
    special = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
    if value.lower() in special:
        return name, special[value.lower()]
    try:
        return name, ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise UsageError(
            f"The part {part!r} of the feature name {full_name!r}",
            'parameter_value, such as q_0.9, or attr_"slope" with the word in quotes',
            "Correct the name",
        ) from None
