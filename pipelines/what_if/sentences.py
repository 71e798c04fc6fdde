"""A what-if comparison in sentences: what each alternative changes, what was assumed, what cannot be answered."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from features.names import format_duration
from models.what_if.alternatives import Alternative
from models.what_if.compared import COST, EXPECTED, Compared, Interval
from models.what_if.event_costs import FALSE_ALARMS, MISSED
from pipelines.backtesting.backtest_table import UNITS, amount
from pipelines.terminal.metrics import pluralize

if TYPE_CHECKING:
    from pipelines.what_if.result import WhatIfResult

_DAY = pd.Timedelta(days=1)


def answers(result: "WhatIfResult") -> Iterator[str]:
    """Yield a sentence or two on each alternative, and what the record leaves open of it."""
    for one in result.rows[1:]:
        changes = (
            _more(one.differences[MISSED], "missed failures", "fewer"),
            _more(one.differences[FALSE_ALARMS], "false alarms", "fewer"),
            _more(one.differences[EXPECTED], "failures that happen", "fewer"),
        )
        sentence = f"{_capital(one.name)}: {', '.join(changes)}. {_cost_words(one)}"
        yield f"{sentence} {_open_words(one)}".strip()
    if not result.simulated and (today := result.rows[0]).open_defects:
        yield (
            f"Today's row itself leaves open {today.open_defects:.0f} of the {result.recorded.repaired} defects that "
            "were repaired in the record: it would not have called the crew that found them."
        )


def assumptions(result: "WhatIfResult") -> Iterator[str]:
    """Yield what was decided for the reader, and what the record cannot say."""
    yield _today(result)
    yield from _costs(result)
    response, measured = result.response
    hours = f"{response / pd.Timedelta(hours=1):.3g} h"
    if measured is None:
        yield f"A visit comes {hours} after its alarm at the earliest (label.lead, or --response)."
    else:
        yield f"A visit comes {hours} after its alarm at the earliest: the median of {measured} in the record."
    detectable, assumed = result.detectable
    how = "assumed: today's horizon; --detectable says otherwise" if assumed else "as given"
    yield f"A visit finds a defect, and prevents its failure, up to {format_duration(detectable)} before it ({how})."
    if any(_keeps_threshold(one, result) for one in result.rows):
        yield "Another horizon of the same model is alerted on by the same threshold, unless --threshold gives another."
    if result.today.stock:
        yield f"A part arrives {result.part_lead / _DAY:g} days after it was needed; one that is missing is fetched."
    if any(one.alternative.machines_per_day is not None for one in result.rows):
        yield "Crews visit the most likely of those that wait first; work after failures takes no place of theirs."
    yield from (_simulated if result.simulated else _replayed)(result)


def _keeps_threshold(one: Compared, result: "WhatIfResult") -> bool:
    settings = one.alternative
    other = settings.horizon not in (None, result.own[1])
    return other and settings.threshold is None and one.model == result.subject


def _today(result: "WhatIfResult") -> str:
    threshold, horizon = result.own
    today: Alternative = result.today
    crews, every = today.machines_per_day, today.inspect_every
    words = "crews without a limit" if crews is None else f"{crews} {pluralize('machine', crews)} a day"
    parts = [
        f"threshold {threshold if today.threshold is None else today.threshold:.3g}",
        f"horizon {format_duration(today.horizon or horizon)}",
        words + _crews_from(result),
        "no inspections by the calendar" if every is None else f"inspections every {every / _DAY:g} days",
    ]
    stock = ", ".join(f"{mode}={number}" for mode, number in today.stock)
    parts.append(f"stock {stock}" if stock else "stock not counted")
    return f"Today: {result.subject}, {', '.join(parts)}; say with --today what differs."


def _crews_from(result: "WhatIfResult") -> str:
    if not result.crews_by_settings:
        return ""
    declared = result.today.machines_per_day is not None
    return " (planning.machines_per_day)" if declared else " (planning.machines_per_day declares none)"


def _costs(result: "WhatIfResult") -> Iterator[str]:
    costs = result.costs
    words = [f"a failure {amount(costs.of_asset.of_failure)}", f"a visit in vain {amount(costs.in_vain)}"]
    words.append(f"a repair in time {amount(costs.of_asset.of_repair(costs.planned_hours))}")
    if result.today.stock:
        words += [f"a missing part {amount(costs.shortage)}", f"keeping one {amount(costs.keeping)}"]
    missing = [name for name in ("failure", "in_vain") if name not in result.given]
    source = " (the experiment's costs of errors where neither --cost nor [costs] gives one)" if missing else ""
    yield f"Costs: {', '.join(words)}{source}."
    hours = costs.of_asset.unplanned_hours
    if result.hours_measured:
        yield f"A machine stands {hours:.1f} h after a failure, the mean of the record."
    elif not hours:
        unknown = "Downtime is not counted: the record does not say how long machines stood"
        yield f"{unknown} (--cost unplanned_hours=8, or the setting costs.unplanned_hours)."


def _replayed(result: "WhatIfResult") -> Iterator[str]:
    recorded = result.recorded
    yield (
        f"The record has {recorded.failures} failures, and {recorded.visits} visits after alarms or audits: "
        f"{recorded.repaired} repaired a defect in time, {recorded.in_vain} found no fault."
    )
    if recorded.repaired:
        yield (
            "Of a defect that was repaired nobody knows whether it would have failed: where an alternative would not "
            "have called the crew, its failure counts by the probability that the model itself gave last."
        )
    yield "A repair of the replay prevents one recorded failure and changes nothing that follows."
    every = result.routine_every
    if every is not None and any(one.alternative.inspect_every is not None for one in result.rows):
        yield (
            f"Routine work, every {every / _DAY:.0f} days in the record, stays in every row: inspections by the "
            "calendar come on top, and fewer than were made can only be simulated (--simulate)."
        )
    yield "90 %: a bootstrap over assets, the same draws for every row; crews that assets share are taken as they fell."


def _simulated(result: "WhatIfResult") -> Iterator[str]:
    yield from result.fitted
    yield (
        "90 %: of the simulated fleets, each fitted to assets drawn anew from the record, and each living the same "
        "lives under every row."
    )


def _cost_words(one: Compared) -> str:
    cost = one.differences[COST]
    if cost.value == cost.low == cost.high == 0:
        return "It costs the same."
    more = "more" if cost.value >= 0 else "less"
    sign = 1 if cost.value >= 0 else -1
    low, high = sorted((sign * cost.low, sign * cost.high))
    return (
        f"It costs {amount(abs(cost.value))} {more} (90 %: {amount_range(low, high)}), and less than today in "
        f"{one.cheaper:.0%} of the draws."
    )


def _open_words(one: Compared) -> str:
    low, high = one.difference_at_least, one.difference_at_most
    if low == high:
        return ""
    return (
        f"Not identified by the record: what would have become of {_counted(one.open_defects, 'repaired defect')} and "
        f"{_counted(one.unknown_visits, 'visit')}; depending on it, the difference lies within "
        f"{amount_range(low, high)}."
    )


def _more(one: Interval, what: str, fewer: str) -> str:
    if one.value == one.low == one.high == 0:
        return f"as many {what}"
    sign = 1 if one.value >= 0 else -1
    low, high = sorted((sign * one.low, sign * one.high))
    return f"{abs(one.value):.3g} {'more' if sign > 0 else fewer} {what} ({_plain(low)} to {_plain(high)})"


def amount_range(low: float, high: float) -> str:
    """Format two costs in one unit.

    Examples
    --------
    >>> amount_range(-112_000.0, 7_090_000.0)
    '-0.112 to 7.09 M'
    """
    largest = max(abs(low), abs(high))
    for unit, sign in UNITS:
        if largest >= unit:
            return f"{low / unit + 0.0:.3g} to {high / unit + 0.0:.3g}{sign}"
    return f"{low + 0.0:.3g} to {high + 0.0:.3g}"


def _counted(number: float, what: str) -> str:
    return f"{number:.0f} {pluralize(what, round(number))}"


def _plain(number: float) -> str:
    # Without the sign of a zero.
    return f"{number + 0.0:.3g}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
