"""How often the intervals of the ledger of value hold what acting truly avoided, on simulated fleets."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from models.hold_back.acting_effect import Estimate
from models.planning.cost_settings import CostSettings
from models.value.alarms import AlarmHistory
from models.value.ledger import LedgerRow, value_ledger
from pipelines.fleet.histories.acted_alarms import ActedFleet, simulate_acted

KINDS: Mapping[str, ActedFleet] = {
    "usual": ActedFleet(),
    "rare failures": ActedFleet(machines=6, days=90),
    "many false alarms": ActedFleet(false_alarms=0.06),
    "alarms acted on late": ActedFleet(late=36),
    "few held back": ActedFleet(hold_back=0.05),
    "nobody acts": ActedFleet(acted=0.0),
}
_PRICES = CostSettings()


@dataclass(frozen=True)
class Coverage:
    """What the ledgers of many histories say beside the truth; a row a history."""

    totals: pd.DataFrame  # failures and hours: true, value, low, high; alarms, held_back, unacted (failures without)
    rows: pd.DataFrame  # of plants and months: true, low, high

    @property
    def covered(self) -> dict[str, float]:
        """Return the share of the intervals that hold the truth."""
        shares = {name: float(_inside(self.totals, name).mean()) for name in ("failures", "hours")}
        return shares | {"rows": float(_inside(self.rows, "failures").mean())}

    @property
    def width(self) -> float:
        """Return the mean width of the intervals of failures avoided, as a share of the alarms."""
        widths = (self.totals["failures_high"] - self.totals["failures_low"]) / self.totals["alarms"]
        return float(widths.mean())


def coverage(kind: str, histories: int, seed: int) -> Coverage:
    """Simulate histories of a kind and compare their ledgers with what acting avoided."""
    simulated = simulate_acted(KINDS[kind], histories, seed)
    totals, rows = [], []
    avoided_in_all = simulated.failures_without - simulated.failures
    for number, (known, truth) in enumerate(simulated.split()):
        ledger = value_ledger(known, _PRICES)
        announced = truth[~truth["held_back"]]
        for row in (*ledger.rows, *ledger.plants):
            own = announced[announced["plant"] == row.plant]
            own = own if row.month is None else own[own["month"] == row.month]
            if row.avoided is not None:
                rows.append(_beside("failures", _failures(own), row.avoided))
        if ledger.total.avoided is not None:
            head = {
                "alarms": ledger.total.announced,
                "held_back": ledger.total.held_back,
                "in_all": avoided_in_all[number],
            }
            totals.append(head | _total(ledger.total, known, announced))
    return Coverage(pd.DataFrame(totals), pd.DataFrame(rows))


def _total(row: LedgerRow, known: AlarmHistory, announced: pd.DataFrame) -> dict[str, float]:
    if row.avoided is None:
        return {}
    values = _beside("failures", _failures(announced), row.avoided)
    if "downtime_hours" in row.saved:
        values |= _beside("hours", _hours(known, announced), row.saved["downtime_hours"])
    return values


def _failures(announced: pd.DataFrame) -> float:
    return float(announced["would_fail"].sum() - announced["failed"].sum())


def _hours(known: AlarmHistory, announced: pd.DataFrame) -> float:
    """Return the hours of downtime that acting saved, work included."""
    pairs = announced[["asset", "opened", "until"]].merge(
        known.failures[["asset", "event_time", "downtime_hours"]], on="asset"
    )
    pairs = pairs[(pairs["event_time"] > pairs["opened"]) & (pairs["event_time"] <= pairs["until"])]
    stood = pairs.sort_values("event_time").drop_duplicates(["asset", "opened"])["downtime_hours"].sum()
    worked = known.orders.loc[known.orders["alarm"].isin(announced.index), "downtime_hours"].sum()
    return float(announced["would_stand"].sum() - stood - worked)


def _beside(name: str, true: float, found: Estimate) -> dict[str, float]:
    return {f"{name}_true": true, f"{name}_value": found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _inside(frame: pd.DataFrame, name: str) -> "pd.Series[bool]":
    known = frame.dropna(subset=[f"{name}_low"])
    return (known[f"{name}_low"] <= known[f"{name}_true"]) & (known[f"{name}_true"] <= known[f"{name}_high"])
