"""A user's own tables, as CSV or Parquet files, each under its contract.

Times have to say which zone they are in, or the caller has to: a shift of an hour moves every label, and nothing
downstream could notice.
"""

import csv
import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from data_contracts.contract.contract import DTYPES, Column, Contract, empty_table, load_contract
from data_contracts.errors import ForewarnError, NotFoundError, UsageError, did_you_mean
from data_contracts.validation.conform import split_unit
from pipelines.importers.batch import Batch

_SUFFIXES = (".csv", ".parquet")
_OTHER_SEPARATORS = (";", "\t", "|")
# A time of day, then Z or an offset from UTC. A bare date ends in digits too, hence the time of day.
_WITH_ZONE = re.compile(r"[T ]\d\d.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$")
_TYPES = {kind: pd.api.types.pandas_dtype(name) for kind, name in DTYPES.items()}
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def read_files(
    contract: Contract,
    *,
    telemetry: Path,
    assets: Path | None = None,
    failures: Path | None = None,
    work_orders: Path | None = None,
    events: Path | None = None,
    time_zone: str | None = None,
) -> Batch:
    """Read a user's own tables.

    Parameters
    ----------
    contract
        The telemetry's contract.
    telemetry
        Readings, with the columns that `contract` names. Without ``source`` they count as physical.
    assets
        The assets; when None, those that the workspace does not know yet count as put into service at their first
        reading, see `import_batch`.
    failures, work_orders, events
        The other tables, with the columns that the shipped contracts of those names ask for. In each table, without
        ``known_time``, a row counts as known at its event time.
    time_zone
        The zone of times that name none, such as ``"UTC"`` or ``"Europe/Berlin"``.

    Returns
    -------
    Batch
        All that was read; what was not given has no rows.

    Raises
    ------
    UsageError
        If the contract is not about telemetry, or a time names no zone.
    ForewarnError
        If a file is missing, empty or lacks a column, or a value cannot be read; it names the row.
    """
    if contract.kind != "telemetry":
        found = f"the contract {contract.name!r} is about {contract.kind}"
        raise UsageError(found, "a contract for telemetry", "Name the contract of the telemetry file")
    zone = _zone(time_zone)

    def other(name: str, path: Path | None) -> pd.DataFrame:
        return (
            empty_table(name) if path is None else _give_types(path, _supplied(_read(path)), load_contract(name), zone)
        )

    return Batch(
        asset_type=str(contract.asset_type),
        telemetry=_give_types(telemetry, _supplied(_read(telemetry), source="physical"), contract, zone),
        assets=other("assets", assets),
        failures=other("failures", failures),
        work_orders=other("work_orders", work_orders),
        events=other("events", events),
        telemetry_contract=contract,
    )


def read_table(path: Path, contract: Contract, *, time_zone: str | None = None, strict: bool = True) -> pd.DataFrame:
    """Read one CSV or Parquet file and give every column the type its contract asks for.

    Parameters
    ----------
    path
        The file; a CSV file is UTF-8, names its columns in the first line, separates by commas and writes nothing for a
        missing value.
    contract
        What the table has to be. Limits are not checked here; see `data_contracts.validation.checks`.
    time_zone
        The zone of times that name none, such as ``"UTC"`` or ``"Europe/Berlin"``.
    strict
        Whether to refuse a file that lacks a column or holds a value of another type. If not, such a column is handed
        over as it is, for the checks to find and the quarantine to hold.

    Returns
    -------
    DataFrame
        The rows in the file's order: text as ``str``, numbers as float64, times in UTC to the microsecond. A header may
        declare a unit, as in ``spindle_vibration [mm/s]``; the checks compare it. Columns the contract does not know
        follow as they are.

    Raises
    ------
    NotFoundError
        If there is no such file.
    UsageError
        If the file is neither CSV nor Parquet, or a time names no zone and `time_zone` is not given or unknown.
    ForewarnError
        If the file is empty or broken, a column is missing, or a value cannot be read; it names the row.
    """
    return _give_types(path, _read(path), contract, _zone(time_zone), strict=strict)


def _supplied(table: pd.DataFrame, **constants: str) -> pd.DataFrame:
    """Add what a plant's own export seldom holds: when each row was known, and other columns of one value."""
    if "known_time" not in table and "event_time" in table:
        table = table.assign(known_time=table["event_time"])
    return table.assign(**{name: value for name, value in constants.items() if name not in table})


def _give_types(
    path: Path, table: pd.DataFrame, contract: Contract, zone: ZoneInfo | None, *, strict: bool = True
) -> pd.DataFrame:
    if not len(table):
        raise ForewarnError(f"{path} holds no rows", "at least one row", "Check how it was written; nothing was stored")
    if strict:
        _demand_columns(path, table, contract)
    order = [column.name for column in contract.columns]
    names = [split_unit(str(header))[0] for header in table.columns]
    # By place, not by name: a file that names a column twice has to reach the checks as it is.
    places = sorted(range(len(names)), key=lambda at: order.index(names[at]) if names[at] in order else len(order))
    columns = []
    for at in places:
        column, values = contract.column(names[at]), table.iloc[:, at]
        columns.append(values if column is None else _typed(path, values, column, zone, strict=strict))
    return pd.concat(columns, axis="columns")


def _read(path: Path) -> pd.DataFrame:
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "one CSV or Parquet file", "Name a file in it")
    if not path.is_file():
        near = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
        raise NotFoundError(
            f"no file {path}", "a CSV or Parquet file", did_you_mean(path.name, near) or "Check the path"
        )
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path} ends in {path.suffix!r}", " or ".join(_SUFFIXES), "Convert the file, or rename it")
    if not path.stat().st_size:
        raise ForewarnError(f"{path} is empty", "a header and at least one row", "Check how it was written")
    try:
        return pd.read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    except UnicodeDecodeError as error:
        raise ForewarnError(
            f"{path} is no text in UTF-8 (byte {error.start + 1} is {error.object[error.start]:#04x})",
            "comma-separated text in UTF-8",
            "Save it as CSV with the encoding UTF-8, or name the right file; nothing was stored",
        ) from error
    except (pa.ArrowException, csv.Error, ValueError, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ForewarnError(
            f"{path} cannot be read ({reason})", f"a whole {path.suffix} file", "Write it again; nothing was stored"
        ) from error


def _read_csv(path: Path) -> pd.DataFrame:
    """Read everything as text: an identifier such as 007 must not become the number 7."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = next(csv.reader(file), [])
    _refuse_other_separators(path, header)
    # Arrow's reader rather than pandas': it refuses a line with too few or too many values instead of mending it.
    converted = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.large_string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    # One thread, so that the error can say which row it was.
    read = pa.csv.read_csv(path, pa.csv.ReadOptions(use_threads=False), convert_options=converted)
    table: pd.DataFrame = read.to_pandas()
    return table


def _refuse_other_separators(path: Path, header: list[str]) -> None:
    separator = next((mark for mark in _OTHER_SEPARATORS if len(header) == 1 and mark in header[0]), None)
    if separator is not None:
        found = f"{path} separates its columns by {separator!r}"
        remedy = "Save it with commas, and with points for decimals; nothing was stored"
        raise ForewarnError(found, "comma-separated values", remedy)


def _demand_columns(path: Path, table: pd.DataFrame, contract: Contract) -> None:
    there = [split_unit(str(name))[0] for name in table.columns]
    twice = [name for name in dict.fromkeys(there) if there.count(name) > 1]
    if twice:
        found = f"{path} names {', '.join(twice)} more than once"
        raise ForewarnError(found, "every column once", "Rename or remove the column too many; nothing was stored")
    missing = [column.name for column in contract.columns if column.needed and column.name not in there]
    if not missing:
        return
    strange = [name for name in there if contract.column(name) is None]
    hints = [f"{hint[:-1]} for {name}?" for name in missing if (hint := did_you_mean(name, strange))]
    found = f"{path} has no column {', '.join(missing)}; it has {', '.join(there[:20])}"
    expected = f"the columns of the contract {contract.name}: {', '.join(column.name for column in contract.columns)}"
    raise ForewarnError(found, expected, " ".join(hints) or "Add it, or name another contract")


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"no time zone {name!r}", "a name such as UTC or Europe/Berlin", "Correct --time-zone"
        ) from error


def _typed(
    path: Path, values: "pd.Series[Any]", column: Column, zone: ZoneInfo | None, *, strict: bool
) -> "pd.Series[Any]":
    """Give a column the type of its contract, or name the first row that cannot have it."""
    try:
        return _read_as(path, values, column, zone)
    except _UnreadableError:
        if strict:
            raise
        return values


class _UnreadableError(ForewarnError):
    """A value is not of its column's type."""


def _read_as(path: Path, values: "pd.Series[Any]", column: Column, zone: ZoneInfo | None) -> "pd.Series[Any]":
    if column.type == "timestamp":
        return _times(path, values, zone)
    if column.type == "string":
        return values.astype(_TYPES["string"])
    if column.type == "boolean":
        read = values.astype(_TYPES["string"]).str.lower().map(_BOOLEANS)
        _refuse(path, values, read.isna() & values.notna(), "true or false")
        return read.astype(_TYPES["boolean"])
    read = pd.to_numeric(values, errors="coerce")
    bad = read.isna() & values.notna()
    if column.type == "integer":
        bad |= read.notna() & (read % 1 != 0)
    _refuse(path, values, bad, "an integer" if column.type == "integer" else "a number, with a point for decimals")
    return read.astype(_TYPES[column.type])


def _times(path: Path, values: "pd.Series[Any]", zone: ZoneInfo | None) -> "pd.Series[Any]":
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.astype(_TYPES["timestamp"])
    if pd.api.types.is_datetime64_dtype(values.dtype):
        return _in_zone(path, values, values.notna(), zone).astype(_TYPES["timestamp"])
    texts = values.astype(_TYPES["string"])
    # Only the international order of year, month and day: 03/04/2026 is one day here and another there.
    read = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce").astype(_TYPES["timestamp"])
    _refuse(path, values, read.isna() & values.notna(), "an ISO 8601 time such as 2026-01-31T06:00:00Z")
    naive = values.notna() & ~texts.str.contains(_WITH_ZONE, na=False)
    if naive.any():
        local = _in_zone(path, read.dt.tz_localize(None), naive, zone)
        read = read.where(~naive, local.astype(_TYPES["timestamp"]))
    return read


def _in_zone(path: Path, local: "pd.Series[Any]", naive: "pd.Series[bool]", zone: ZoneInfo | None) -> "pd.Series[Any]":
    """Read local times in a zone; those it skips or has twice, when clocks change, are refused."""
    if zone is None:
        row = int(naive.to_numpy().argmax())
        found = f"{path}, row {row + 1}: {local.name} is {local.iloc[row]}, without a time zone"
        raise UsageError(
            found, "times such as 2026-01-31T06:00:00Z", "Name their zone with --time-zone UTC or the like"
        )
    times: pd.Series[Any] = local.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    expected = f"a time that {zone.key} has once, which it has not when clocks change"
    # Refused at the door in any case: what the quarantine held could be read no better than this.
    _refuse(path, local, times.isna() & naive, expected, kind=ForewarnError)
    return times


def _refuse(
    path: Path,
    values: "pd.Series[Any]",
    bad: "pd.Series[bool]",
    expected: str,
    *,
    kind: type[ForewarnError] = _UnreadableError,
) -> None:
    rows = np.flatnonzero(bad.to_numpy())
    if rows.size:
        more = f" (and {rows.size - 1} more rows)" if rows.size > 1 else ""
        found = f"{path}, row {rows[0] + 1}: {values.name} is {str(values.iloc[rows[0]])!r}{more}"
        raise kind(found, expected, "Mend the file; nothing was stored")
