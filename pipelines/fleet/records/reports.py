"""What the mechanics report: work orders with their later corrections, and failures."""

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class MechanicReport:
    """One row of a work order or failure as the mechanics report it; of a failure only the component is used."""

    number: int  # of the order or failure; a correction repeats it
    machine: int  # its index
    hour: float  # when it happened, in hours of the simulation
    known_hour: float  # when it became known
    kind: str
    component: str | None
    finding: str | None
    prompted_by: str | None


def work_order_rows(reports: list[MechanicReport], start: pd.Timestamp, assets: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows of the table ``work_orders``, corrections included."""
    frame = _rows(reports, start, assets, "work_order_id", "W")
    for name in ("kind", "component", "finding", "prompted_by"):
        frame[name] = pd.Series([getattr(report, name) for report in reports], dtype="str")
    return frame


def failure_rows(reports: list[MechanicReport], start: pd.Timestamp, assets: tuple[str, ...]) -> pd.DataFrame:
    """Return the rows of the table ``failures``."""
    frame = _rows(reports, start, assets, "failure_id", "F")
    frame["mode"] = pd.Series([report.component for report in reports], dtype="str")
    return frame


def _rows(
    reports: list[MechanicReport], start: pd.Timestamp, assets: tuple[str, ...], key: str, letter: str
) -> pd.DataFrame:
    """Return the columns that failures and work orders share."""
    return pd.DataFrame(
        {
            key: pd.Series([f"{letter}-{report.number:06d}" for report in reports], dtype="str"),
            "asset": pd.Series([assets[report.machine] for report in reports], dtype="str"),
            "event_time": _times([report.hour for report in reports], start),
            "known_time": _times([report.known_hour for report in reports], start),
        }
    )


def _times(hours: list[float], start: pd.Timestamp) -> "pd.Series[pd.Timestamp]":
    """Return hours of the simulation as times, to the second."""
    seconds = pd.to_timedelta(np.round(np.array(hours, dtype=float) * 3600.0), unit="s")
    return pd.Series(start + seconds).astype("datetime64[us, UTC]")
