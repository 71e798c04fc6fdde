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
from models.value.alarms import AlarmHistory
from models.value.costs import MONEY, CostFigures, Figure, amount, cost_figures, work_taken
from models.value.settings import ValueSettings
from models.value.without_acting import HeldBack, failures_without_acting

State = Literal["identified", "not identified"]


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
    total: LedgerRow
    figures: tuple[Figure, ...]  # of all plants together
    pending: int  # alarms that have not matured
    currency: str
    confidence: float
    unpriced: str  # why nothing is expressed in money; empty if it is

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        values: dict[str, Any] = as_json(asdict(self))
        return values


def value_ledger(history: AlarmHistory, settings: ValueSettings) -> ValueLedger:
    """Estimate what acting avoided: each plant by its own alarms held back, a month by those of the whole period.

    The total is estimated from all alarms at once, not summed up: its interval is narrower, and it covers plants that
    have too few alarms for an estimate of their own.
    """
    names = sorted(history.alarms["plant"].unique())
    parts = {name: history.of_plant(name) for name in names}
    costs = {name: cost_figures(part, history, settings) for name, part in parts.items()}
    common = cost_figures(history, history, settings)
    rows = []
    for name, part in parts.items():
        for month, alarms in part.alarms.groupby("month"):
            rows.append(_row(replace(part, alarms=alarms), part.alarms, costs[name], plant=name, month=str(month)))
    plants = [_row(part, part.alarms, costs[name], plant=name) for name, part in parts.items()]
    total = _row(history, history.alarms, _mixed(common, costs, history.alarms))
    return ValueLedger(
        tuple(rows),
        tuple(plants),
        total,
        common.figures,
        history.pending,
        settings.currency,
        settings.confidence,
        "" if common.priced else _unpriced(common),
    )


def _row(
    part: AlarmHistory, pool: pd.DataFrame, costs: CostFigures, *, plant: str | None = None, month: str | None = None
) -> LedgerRow:
    """Estimate a row from its own announced alarms and the held-back ones of a pool."""
    alarms = part.alarms
    announced, held = alarms[~alarms["held_back"]], alarms[alarms["held_back"]]
    estimated = _comparable(announced, pool)
    row = LedgerRow(
        plant,
        month,
        "identified",
        "",
        announced=len(announced),
        acted_on=int(announced["acted_on"].sum()),
        defects=int(announced["defects"].sum()),
        failed_anyway=int(announced["failed"].sum()),
        held_back=len(held),
        held_back_failed=int(held["failed"].sum()),
        not_drawn=int((announced["share"] == 0).sum()),
        estimated=len(estimated),
    )
    if estimated.empty:
        return replace(row, state="not identified", why=_why(row))
    without = _without_acting(estimated, pool, costs.confidence)
    failed = int(estimated["failed"].sum())
    avoided = Estimate(without.value - failed, without.low - failed, without.high - failed)
    orders = part.orders[part.orders["alarm"].isin(estimated.index)]
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


def _comparable(announced: pd.DataFrame, pool: pd.DataFrame) -> pd.DataFrame:
    """Return the announced alarms that some held-back ones were drawn with, at the same share."""
    shares = pool.loc[pool["held_back"] & (pool["share"] > 0), "share"].unique()
    return announced[announced["share"].isin(shares)]


def _without_acting(estimated: pd.DataFrame, pool: pd.DataFrame, confidence: float) -> Estimate:
    parts = []
    for share, own in estimated.groupby("share"):
        held = pool[pool["held_back"] & (pool["share"] == share)]
        parts.append(failures_without_acting(HeldBack(len(held), int(held["failed"].sum())), len(own), confidence))
    return _sum(parts)


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
    missing = ["value.downtime_per_hour"] if "downtime_hours" not in costs.prices else []
    for kind, key in (("failure", "unplanned_hours"), ("repair", "planned_hours")):
        if costs.figure(kind, "downtime_hours") is None:  # type: ignore[arg-type] # two of the kinds
            missing.append(f"value.{key}")
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
