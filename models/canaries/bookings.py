"""Records booked with the failure itself: known, by their times, right before nearly every failure and hardly else.

A part that is exchanged after a breakdown is often booked at the beginning of the hour, or the day, in which the
machine failed. Read as it stands, such a record was known before the failure that caused it.

References
----------
Kaufman et al. (2012), section 3.2 (legitimacy: a feature must be observable before the target).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binom

from data_contracts.tables.history import History
from features.names import parse_feature, parse_name
from features.recipe.context import MAINTENANCE
from models.canaries.report import LEAK, Finding

WINDOWS = 9
"""Windows before a failure's last cut-off that are compared; the last of them ends at it."""
# A report comes a little later than what it reports: the spans are so many delays long.
_DELAYS = 2
_FEWEST = 5
_SHARE = 0.8
_ERROR = 0.001
_DAY, _HOUR = pd.Timedelta("1D"), pd.Timedelta("1h")
_BOOKED_BY = 0.95
_ROWS = 10
_NAMED = 3


@dataclass(frozen=True)
class Group:
    """Records of one kind that columns of the model count or time."""

    name: str
    rows: pd.DataFrame  # asset, event_time, known_time


def booking_findings(
    columns: Sequence[str], history: History, last: pd.DataFrame, delay: pd.Timedelta
) -> Iterator[Finding]:
    """Test the records behind the context columns; `last` has asset and as_of, the last cut-off before each failure."""
    groups, found = tuple(_groups(columns, history)), []
    for group in groups:
        width = max(_DELAYS * delay, booked_by(group.rows["event_time"]))
        news, all_news = count_news(group.rows, last, width)
        error = binom.sf(news - 1, all_news, 1.0 / WINDOWS) * len(groups)
        if news >= _FEWEST and news >= _SHARE * all_news and error < _ERROR:
            found.append((news, all_news - news, group.name, width))
    if not found:
        return
    found.sort(key=lambda each: (-each[0], each[2]))
    news, before, name, width = found[0]
    hours = f"{width / _HOUR:.3g} h"
    others = [name for _, _, name, _ in found[1:]]
    as_do = f" ({', '.join(others[:_NAMED])}{' and others' if len(others) > _NAMED else ''} likewise)" if others else ""
    words = f"{name} became known in the {hours} before the last prediction in {news} of {len(last)} failures, and in "
    words += f"{before} in the {WINDOWS - 1} times {hours} before that{as_do}: it is booked with the failure itself"
    yield Finding("booking", LEAK, words, (name, *others))


def count_news(rows: pd.DataFrame, last: pd.DataFrame, width: pd.Timedelta) -> tuple[int, int]:
    """Count the failures with a new record in the last span before their last cut-off, and in any of `WINDOWS` spans.

    Each failure counts once for each span that has one.
    """
    joined = last[["asset", "as_of"]].reset_index(names="failure").merge(rows, on="asset")
    # A work order counts from the instant after it on.
    seen = pd.concat([joined["event_time"] + pd.Timedelta(1, "us"), joined["known_time"]], axis=1).max(axis=1)
    ago = joined["as_of"] + pd.Timedelta(1, "us") - seen
    span = np.floor(ago.dt.total_seconds() / width.total_seconds())
    near = joined.assign(span=span)[(span >= 0) & (span < WINDOWS)].drop_duplicates(["failure", "span"])
    return int((near["span"] == 0).sum()), len(near)


def booked_by(event_time: "pd.Series[pd.Timestamp]") -> pd.Timedelta:
    """Return the unit by which times are booked: a day, an hour, or none.

    Examples
    --------
    >>> booked_by(pd.Series(pd.date_range("2026-01-01", periods=20, freq="1D", tz="UTC"))).total_seconds() / 3600
    24.0
    """
    if len(event_time) < _ROWS:
        return pd.Timedelta(0)
    for unit in (_DAY, _HOUR):
        if (event_time == event_time.dt.floor(unit)).mean() >= _BOOKED_BY:
            return unit
    return pd.Timedelta(0)


def _groups(columns: Sequence[str], history: History) -> Iterator[Group]:
    """Yield the records that the model's columns count or time, each kind once."""
    for name, rows in {name: rows for column in columns for name, rows in _records_of(column, history)}.items():
        yield Group(name, rows[["asset", "event_time", "known_time"]])


def _records_of(column: str, history: History) -> Iterator[tuple[str, pd.DataFrame]]:
    name = parse_name(column)
    if not name.is_context or name.kind not in {"events", "work_orders"}:
        return
    calculator, parameters = parse_feature(name.feature)
    orders = history.work_orders
    if "code" in parameters:
        yield f"the event {parameters['code']}", history.events[history.events["code"] == parameters["code"]]
    elif "component" in parameters:
        renewed = orders["kind"].isin(MAINTENANCE) & (orders["component"] == parameters["component"])
        yield f"maintenance of {parameters['component']}", orders[renewed]
    elif "kind" in parameters:
        yield f"{parameters['kind']} work", orders[orders["kind"] == parameters["kind"]]
    elif calculator == "count":
        yield "a work order", orders
