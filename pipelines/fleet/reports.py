"""What the mechanics report: work orders with their later corrections, and failures."""

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class MechanicReport:
    """Hold one row of a work order or failure as the mechanics report it.

    Parameters
    ----------
    number : int
        Number of the order or failure; a correction repeats it.
    machine : int
        Index of the machine.
    hour, known_hour : float
        When it happened and when it became known, in hours of the simulation.
    kind, component, finding, prompted_by : str or None
        As in the work orders; for a failure only the component.
    """

    number: int
    machine: int
    hour: float
    known_hour: float
    kind: str
    component: str | None
    finding: str | None
    prompted_by: str | None


def work_order_rows(reports: list[MechanicReport], start: pd.Timestamp, assets: tuple[str, ...]) -> pd.DataFrame:
    """Return work orders and their corrections as rows.

    Parameters
    ----------
    reports : list of MechanicReport
        The reports.
    start : pandas.Timestamp
        Begin of the simulation, UTC.
    assets : tuple of str
        Asset ids.

    Returns
    -------
    pandas.DataFrame
        Rows of the table ``work_orders``.
    """
    frame = _rows(reports, start, assets, "work_order_id", "W")
    for name in ("kind", "component", "finding", "prompted_by"):
        frame[name] = pd.Series([getattr(report, name) for report in reports], dtype="str")
    return frame


def failure_rows(reports: list[MechanicReport], start: pd.Timestamp, assets: tuple[str, ...]) -> pd.DataFrame:
    """Return failures as rows.

    Parameters
    ----------
    reports : list of MechanicReport
        The reports.
    start : pandas.Timestamp
        Begin of the simulation, UTC.
    assets : tuple of str
        Asset ids.

    Returns
    -------
    pandas.DataFrame
        Rows of the table ``failures``.
    """
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
