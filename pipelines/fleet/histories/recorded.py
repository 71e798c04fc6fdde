"""What is recorded of many simulated histories side by side, and how records are drawn."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.labels.labels import reporting_delay
from models.outcomes.outcomes import Outcomes, Terms, outcomes
from pipelines.fleet.plant.arrays import Floats, Integers

Words = npt.NDArray[np.object_]
Days = npt.NDArray[np.floating[Any]]

DAY = pd.Timedelta(days=1)
MICROSECONDS_A_DAY = 86400e6


@dataclass(frozen=True)
class RecordedHistories:
    """Alerts, failures and work orders of independent histories; asset ``m<n>`` belongs to history ``n // assets``."""

    predictions: pd.DataFrame
    failures: pd.DataFrame
    work_orders: pd.DataFrame
    assets: int  # of each history
    draws: pd.DataFrame | None = None  # of the alerts, where alarms are held back

    def outcomes(self, now: pd.Timestamp, horizon: pd.Timedelta) -> Outcomes:
        """Return the outcomes known at `now`, matured by the reporting delay that is estimated from the failures."""
        delay = reporting_delay(self.failures, known_until=now)
        stride = self.predictions["as_of"].drop_duplicates().sort_values().diff().min()
        terms = Terms(lead=0 * DAY, horizon=horizon, gap=stride, reporting_delay=delay)
        return outcomes(self.predictions, self.failures, self.work_orders, now=now, terms=terms)


def history_of(asset: "pd.Series[str]", assets: int) -> "pd.Series[int]":
    """Return the number of the history each asset belongs to."""
    return asset.str.slice(1).astype("int64") // assets


def asset_names(numbers: Integers) -> Words:
    """Return ``m<n>`` for each number."""
    every = np.array([f"m{number}" for number in range(int(numbers.max(initial=0)) + 1)], dtype=object)
    return np.asarray(every[numbers])


def times(start: pd.Timestamp, days: Days) -> pd.DatetimeIndex:
    """Return days after the start as times, to the microsecond."""
    return start + pd.to_timedelta(np.round(days * MICROSECONDS_A_DAY).astype("int64"), unit="us")


def event_rows(start: pd.Timestamp, asset: Integers, days: Days, delay: Floats, **columns: Words) -> pd.DataFrame:
    """Return failures or work orders that happen `days` after the start and become known `delay` days later."""
    common = {
        "asset": asset_names(asset),
        "event_time": times(start, days),
        "known_time": times(start, days + delay),
    }
    return pd.DataFrame(common | columns)


def inspections(orders: pd.DataFrame) -> pd.DataFrame:
    """Return rows with findings as inspections prompted by alarms."""
    return orders.assign(work_order_id=orders.index.astype(str), kind="inspection", prompted_by="alarm")


def draw_findings(truth: Words, rng: np.random.Generator, *, not_inspected: float, unreported: float) -> Words:
    """Return the findings that mechanics report of the truth; None when they do not report."""
    draws = rng.random(truth.shape)
    findings = truth.copy()
    findings[draws < not_inspected + unreported] = None
    findings[draws < not_inspected] = "not_inspected"
    return findings
