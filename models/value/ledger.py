"""The ledger of what acting on alarms has avoided, by plant and month.

Failures avoided are those that would have followed the announced alarms without acting, by the alarms held back at
random, less those that did follow. Alarms are counted as drawn, whatever mechanics did about them (intention to treat):
crews choose the alarms they act on, so that these are no random sample of all, while those held back are. Neither is
compared with the time before: plants begin to watch their machines when many have failed, and fewer fail afterwards
whatever is done (regression to the mean).

References
----------
F. Galton, "Regression towards mediocrity in hereditary stature", Journal of the Anthropological Institute 15 (1886),
246-263; A. G. Barnett, J. C. van der Pols and A. J. Dobson, "Regression to the mean: what it is and how to deal with
it", International Journal of Epidemiology 34 (2005), 215-220, doi:10.1093/ije/dyh299. G. Y. Zou and A. Donner,
Statistics in Medicine 27 (2008), 1693-1702, for sums and products of estimates with intervals of their own.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from models.hold_back.acting_effect import Estimate
from models.outcomes.error_rates import as_json
from models.planning.cost_settings import CostSettings
from models.value.alarms import AlarmHistory
from models.value.costs import MONEY, CostFigures, Figure, amount, cost_figures, recorded_amounts, work_taken
from models.value.without_acting import HeldBack, failures_without_acting

State = Literal["identified", "not identified"]
COUNTS = (
    "announced",
    "acted_on",
    "defects",
    "failed_anyway",
    "held_back",
    "held_back_failed",
    "not_drawn",
    "estimated",
)
"""The counts of a row, in the order in which files have them."""


@dataclass(frozen=True)
class LedgerRow:
    """What acting avoided in a plant and month; where that is not identified, there are counts and no estimate.

    Failures and work are those of the alarms that the estimate is about, `estimated` of them.
    """

    plant: str | None  # None for all plants
    month: str | None  # "2026-03"; None for the whole period
    state: State
    why: str  # not identified; empty otherwise
    announced: int  # alarms
    acted_on: int  # of these, mechanics inspected the asset
    defects: int  # of these, with a confirmed defect
    failed_anyway: int  # announced alarms that a failure followed
    held_back: int
    held_back_failed: int
    not_drawn: int  # announced alarms that could not have been held back
    estimated: int = 0  # announced alarms that the estimate is about
    without_acting: Estimate | None = None  # failures that would have followed these
    avoided: Estimate | None = None  # failures
    work: Mapping[str, Estimate] = field(default_factory=dict)  # what work took, by quantity, and "money"
    saved: Mapping[str, Estimate] = field(default_factory=dict)  # avoided less work, likewise
    hold_back_price: Mapping[str, Estimate] = field(default_factory=dict)  # more saved, had none been held back

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        values: dict[str, Any] = as_json(asdict(self))
        return values


@dataclass(frozen=True)
class ValueLedger:
    """What acting on a model's alarms avoided in a period."""

    rows: tuple[LedgerRow, ...]  # by plant and month
    plants: tuple[LedgerRow, ...]  # of the whole period
    months: tuple[LedgerRow, ...]  # of all plants
    total: LedgerRow
    figures: tuple[Figure, ...]  # of all plants together
    pending: int  # alarms that have not matured
    currency: str
    confidence: float
    unpriced: str  # why nothing is expressed in money; empty if it is
    unassigned: int = 0  # work orders prompted by alarms that belong to none; they are in no estimate

    def all_rows(self) -> Iterator[LedgerRow]:
        """Yield the rows by plant and month, those of plants and months as a whole if there are several, the total."""
        yield from self.rows
        if len(self.plants) > 1:
            yield from self.plants
            yield from self.months
        yield self.total

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        values: dict[str, Any] = as_json(asdict(self))
        return values


def value_ledger(history: AlarmHistory, prices: CostSettings, confidence: float = 0.9) -> ValueLedger:
    """Estimate what acting avoided: each plant by its own alarms held back, a month by those of the whole period.

    What is of all plants is estimated from all alarms at once, not summed up: its interval is narrower, and it covers
    plants that have too few alarms for an estimate of their own.
    """
    names = sorted(history.alarms["plant"].unique())
    parts = {name: history.of_plant(name) for name in names}
    recorded = recorded_amounts(history)
    costs = {name: cost_figures(recorded_amounts(part), recorded, prices, confidence) for name, part in parts.items()}
    common = cost_figures(recorded, recorded, prices, confidence)
    mixed = _mixed(common, costs, history.alarms)
    rows = [row for name, part in parts.items() for row in _months(part, costs[name], name)]
    return ValueLedger(
        tuple(rows),
        tuple(_row(part, _held_back(part.alarms), costs[name], plant=name) for name, part in parts.items()),
        tuple(_months(history, mixed, None)),
        _row(history, _held_back(history.alarms), mixed),
        common.figures,
        history.pending,
        prices.currency,
        confidence,
        "" if common.priced else _unpriced(common),
        history.unassigned,
    )


def _months(part: AlarmHistory, costs: CostFigures, plant: str | None) -> Iterator[LedgerRow]:
    held = _held_back(part.alarms)
    # Without texts, which take longest to slice.
    for month, alarms in part.alarms.groupby("month")[["share", "held_back", "failed", "acted_on", "defects"]]:
        yield _row(replace(part, alarms=alarms), held, costs, plant=plant, month=str(month))


def _row(
    part: AlarmHistory,
    pool: Mapping[float, HeldBack],
    costs: CostFigures,
    *,
    plant: str | None = None,
    month: str | None = None,
) -> LedgerRow:
    """Estimate a row from its own announced alarms and the held-back ones of the period, by share."""
    alarms = part.alarms
    held, failed = (alarms[name].to_numpy(dtype=bool) for name in ("held_back", "failed"))
    share = alarms["share"].to_numpy()
    estimated = ~held & np.isin(share, list(pool))
    row = LedgerRow(
        plant,
        month,
        "identified",
        "",
        announced=int((~held).sum()),
        acted_on=int((~held & alarms["acted_on"].to_numpy(dtype=bool)).sum()),
        defects=int((~held & alarms["defects"].to_numpy(dtype=bool)).sum()),
        failed_anyway=int((~held & failed).sum()),
        held_back=int(held.sum()),
        held_back_failed=int((held & failed).sum()),
        not_drawn=int((~held & (share == 0)).sum()),
        estimated=int(estimated.sum()),
    )
    if not row.estimated:
        return replace(row, state="not identified", why=_why(row))
    drawn_at = zip(*np.unique(share[estimated], return_counts=True), strict=True)
    without = _sum([failures_without_acting(pool[float(each)], int(n), costs.confidence) for each, n in drawn_at])
    anyway = int((estimated & failed).sum())
    avoided = Estimate(without.value - anyway, without.low - anyway, without.high - anyway)
    orders = part.orders[np.isin(part.orders["alarm"].to_numpy(), alarms.index.to_numpy()[estimated])]
    work, saved = _amounts(avoided, orders, costs)
    forgone = row.held_back / row.estimated
    price = {name: _scaled(value, forgone) for name, value in saved.items()}
    return replace(row, without_acting=without, avoided=avoided, work=work, saved=saved, hold_back_price=price)


def _why(row: LedgerRow) -> str:
    if not row.announced:
        return "no alarm was announced"
    if row.not_drawn == row.announced:
        return "no alarm could be held back: holding back was off, or excepts these assets"
    return "no alarm was held back to compare with"


def _held_back(alarms: pd.DataFrame) -> dict[float, HeldBack]:
    """Count the alarms held back at each share: only those drawn at one share are alike."""
    held, failed = (alarms[name].to_numpy(dtype=bool) for name in ("held_back", "failed"))
    share = alarms["share"].to_numpy()
    drawn_at = (each for each in np.unique(share[held]) if each > 0)
    at = {float(each): held & (share == each) for each in drawn_at}
    return {each: HeldBack(int(rows.sum()), int((rows & failed).sum())) for each, rows in at.items()}


def _amounts(
    avoided: Estimate, orders: pd.DataFrame, costs: CostFigures
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Return what work took, and what was saved after it, of each quantity that is counted and in money."""
    work, saved, priced, paid = {}, {}, [], []
    for name in costs.counted():
        if (unit := costs.figure("failure", name)) is None:
            continue
        work[name] = work_taken(orders, name, costs, priced=False)
        saved[name] = _sum([amount(unit, 1.0, avoided, costs.confidence), _scaled(work[name], -1.0)])
        if name in costs.prices:
            priced.append(amount(unit, costs.price("failure", name), avoided, costs.confidence))
            paid.append(work_taken(orders, name, costs, priced=True))
    if costs.priced:
        # All of it follows from the same failures and orders: widths add up.
        work[MONEY], gross = _together(paid), _together(priced)
        saved[MONEY] = _sum([gross, _scaled(work[MONEY], -1.0)])
    return work, saved


def _mixed(common: CostFigures, costs: Mapping[str, CostFigures], alarms: pd.DataFrame) -> CostFigures:
    """Return the figures of a failure where plants differ: weighted as the failures after held-back alarms are."""
    held = alarms[alarms["held_back"] & alarms["failed"]]
    plants = (held if len(held) else alarms)["plant"].value_counts()
    mixed = []
    for figure in common.figures:
        own = {name: costs[name].figure(figure.kind, figure.quantity) for name in plants.index}
        values = np.array([(own[name] or figure).value for name in plants.index])
        if figure.kind != "failure" or not len(values) or np.ptp(values) == 0:
            mixed.append(figure)
            continue
        mean = float(np.average(values, weights=plants))
        between = math.sqrt(float(np.average((values - mean) ** 2, weights=plants)))
        half = math.hypot(figure.half_width, _quantile(common.confidence) * between / math.sqrt(plants.sum()))
        mixed.append(replace(figure, value=mean, half_width=half, spread=math.hypot(figure.spread, between)))
    return replace(common, figures=tuple(mixed))


def _unpriced(costs: CostFigures) -> str:
    missing = ["costs.downtime_per_hour"] if "downtime_hours" not in costs.prices else []
    missing += [] if costs.figure("failure", "downtime_hours") else ["costs.unplanned_hours"]
    missing += ["costs.planned_hours"] if costs.unknown("repair", "downtime_hours") else []
    return f"not in money: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not declared, nor recorded"


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    low, high = sorted((factor * estimate.low, factor * estimate.high))
    return Estimate(factor * estimate.value, low, high)


def _sum(parts: list[Estimate]) -> Estimate:
    """Sum up independent estimates."""
    value = math.fsum(part.value for part in parts)
    below, above = (math.hypot(*widths) for widths in _widths(parts))
    return Estimate(value, value - below, value + above)


def _together(parts: list[Estimate]) -> Estimate:
    """Sum up estimates that go up and down together."""
    value = math.fsum(part.value for part in parts)
    below, above = (math.fsum(widths) for widths in _widths(parts))
    return Estimate(value, value - below, value + above)


def _widths(parts: list[Estimate]) -> Iterator[list[float]]:
    yield [part.value - part.low for part in parts]
    yield [part.high - part.value for part in parts]


def _quantile(confidence: float) -> float:
    from scipy import stats

    return float(stats.norm.isf((1 - confidence) / 2))
