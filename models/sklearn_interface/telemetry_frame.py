"""A frame of telemetry, as a notebook has it, as a history; and a frame of cut-offs, checked."""

from typing import Any

import pandas as pd

from data_contracts.contract.contract import empty_table
from data_contracts.errors import UsageError
from data_contracts.tables.history import History

_KEYS = ("asset", "event_time", "known_time", "source")


def telemetry_history(telemetry: Any) -> History:
    """Return a frame of telemetry as a history without events, work orders, failures and records; a history as it is.

    The frame has asset, event_time (or time) and the channels; known_time is the event time and source is "physical"
    where there is no such column.
    """
    if isinstance(telemetry, History):
        return telemetry
    if not isinstance(telemetry, pd.DataFrame):
        raise UsageError(
            f"telemetry of type {type(telemetry).__name__}",
            "a pandas DataFrame with asset, event_time and a column for each channel, or a forewarn History",
            "Pass telemetry=..., or fit on it",
        )
    frame = telemetry.rename(columns={"time": "event_time"}) if "event_time" not in telemetry else telemetry
    _check_columns(frame, ("asset", "event_time"), "telemetry")
    frame = frame.assign(asset=frame["asset"].astype("str"), event_time=_times(frame["event_time"], "event_time"))
    known = frame["known_time"] if "known_time" in frame else frame["event_time"]
    frame = frame.assign(known_time=_times(known, "known_time"), source=frame.get("source", "physical"))
    channels = tuple(str(column) for column in frame.columns if column not in _KEYS)
    _check_channels(frame, channels)
    assets, failures, orders, events = map(empty_table, ("assets", "failures", "work_orders", "events"))
    return History("telemetry", channels, frame.reset_index(drop=True), assets, failures, orders, events)


def checked_cut_offs(x: Any) -> pd.DataFrame:
    """Return asset and as_of of a frame of cut-offs, with its own index dropped."""
    if not isinstance(x, pd.DataFrame):
        raise UsageError(
            f"cut-offs of type {type(x).__name__}",
            "a pandas DataFrame with the columns asset and as_of",
            "Make one; telemetry itself is given as TelemetryFeatures(telemetry=...)",
        )
    _check_columns(x, ("asset", "as_of"), "the cut-offs")
    return pd.DataFrame(
        {"asset": x["asset"].astype("str").to_numpy(), "as_of": _times(x["as_of"], "as_of").array}
    ).reset_index(drop=True)


def _check_columns(frame: pd.DataFrame, needed: tuple[str, ...], what: str) -> None:
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        listed = ", ".join(map(str, frame.columns)) or "none"
        raise UsageError(f"{what} without {' and '.join(missing)} (columns: {listed})", "that column", "Rename yours")


def _times(times: "pd.Series[Any]", name: str) -> "pd.Series[Any]":
    if not isinstance(times.dtype, pd.DatetimeTZDtype):
        raise UsageError(
            f"{name} of dtype {times.dtype}",
            "times with a zone",
            f'Use pd.to_datetime(frame["{name}"], utc=True), or tz_localize the zone they are of',
        )
    if times.isna().any():
        raise UsageError(f"{int(times.isna().sum())} rows without {name}", "a time in each row", "Drop or fix them")
    instants: pd.Series[Any] = times.dt.tz_convert("UTC").dt.as_unit("us")
    return instants


def _check_channels(frame: pd.DataFrame, channels: tuple[str, ...]) -> None:
    if not channels:
        raise UsageError("telemetry without a channel", "a column of numbers for each channel", "Add them")
    for channel in channels:
        if not pd.api.types.is_numeric_dtype(frame[channel]):
            raise UsageError(
                f"the column {channel!r} of the telemetry is of dtype {frame[channel].dtype}",
                "numbers in each column but asset, event_time, known_time and source",
                "Drop that column, or convert it",
            )
