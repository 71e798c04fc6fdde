"""Read a user's own tables from CSV or Parquet files, each under its contract.

Times have to name their zone, or the caller has to: a shift of an hour moves every label, and nothing downstream could
notice.
"""

import csv
import re
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from data_contracts.contract.contract import DTYPES, Column, Contract, empty_table
from data_contracts.contract.registered import find_contract
from data_contracts.errors import ForewarnError, NotFoundError, UsageError, did_you_mean
from data_contracts.validation.conform import split_unit
from pipelines.importers.batch import Batch

SUFFIXES = (".csv", ".parquet")
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
    contracts: Path | None = None,
) -> Batch:
    """Read a user's own tables: telemetry under `contract`, the others under the contracts of their names.

    Telemetry without ``source`` counts as physical, and in each table a row without ``known_time`` as known at its
    event time. A table that is not given has no rows. `time_zone` is that of times that name none.
    `contracts` is the folder of a workspace's contracts, beside the shipped ones.
    """
    if contract.kind != "telemetry":
        found = f"the contract {contract.name!r} is about {contract.kind}"
        raise UsageError(found, "a contract for telemetry", "Name the contract of the telemetry file")
    zone = _zone(time_zone)

    def other(name: str, path: Path | None) -> pd.DataFrame:
        if path is None:
            return empty_table(name)
        own = find_contract(contracts, name)
        return _convert(path, _with_defaults(_read(path), own), own, zone)

    return Batch(
        asset_type=str(contract.asset_type),
        telemetry=_convert(telemetry, _with_defaults(_read(telemetry), contract), contract, zone),
        assets=other("assets", assets),
        failures=other("failures", failures),
        work_orders=other("work_orders", work_orders),
        events=other("events", events),
        telemetry_contract=contract,
    )


def read_table(path: Path, contract: Contract, *, time_zone: str | None = None, strict: bool = True) -> pd.DataFrame:
    """Read one CSV or Parquet file and convert every column to the type its contract asks for.

    A CSV file is UTF-8, names its columns in the first line, separates by commas and writes nothing for a missing
    value. A header may declare a unit, as in ``spindle_vibration [mm/s]``; the checks compare it. Limits are not
    checked here; see `data_contracts.validation.checks`.

    The rows keep the file's order: text as ``str``, numbers as float64, times in UTC to the microsecond. Columns that
    the contract does not know follow unchanged. `time_zone` is that of times that name none, such as "Europe/Berlin".
    Without `strict`, a missing column or a value of another type is no error: the column stays as it is, for the checks
    to find and the quarantine to hold.
    """
    return _convert(path, _with_defaults(_read(path), contract), contract, _zone(time_zone), strict=strict)


def _with_defaults(table: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Add what a plant's own export seldom holds: the known time, and telemetry's source."""
    if "known_time" not in table and "event_time" in table and contract.column("known_time") is not None:
        table = table.assign(known_time=table["event_time"])
    if contract.kind == "telemetry" and "source" not in table:
        table = table.assign(source="physical")
    return table


def _convert(
    path: Path, table: pd.DataFrame, contract: Contract, zone: ZoneInfo | None, *, strict: bool = True
) -> pd.DataFrame:
    if not len(table):
        raise ForewarnError(f"{path} holds no rows", "at least one row", "Check how it was written; nothing was stored")
    if strict:
        _check_columns(path, table, contract)
    order = [column.name for column in contract.columns]
    names = [split_unit(str(header))[0] for header in table.columns]
    # By position, not by name: a file that names a column twice has to reach the checks as it is.
    positions = sorted(range(len(names)), key=lambda i: order.index(names[i]) if names[i] in order else len(order))
    columns = []
    for position in positions:
        column, values = contract.column(names[position]), table.iloc[:, position]
        columns.append(values if column is None else _convert_column(path, values, column, zone, strict=strict))
    return pd.concat(columns, axis="columns")


def _read(path: Path) -> pd.DataFrame:
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "one CSV or Parquet file", "Name a file in it")
    if not path.is_file():
        names = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
        raise NotFoundError(
            f"no file {path}", "a CSV or Parquet file", did_you_mean(path.name, names) or "Check the path"
        )
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} ends in {path.suffix!r}", " or ".join(SUFFIXES), "Convert the file, or rename it")
    if not path.stat().st_size:
        raise ForewarnError(f"{path} is empty", "a header and at least one row", "Check how it was written")
    try:
        return pd.read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    except UnicodeDecodeError as error:
        raise ForewarnError(
            f"{path} is not UTF-8 text (byte {error.start + 1} is {error.object[error.start]:#04x})",
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
    _check_separator(path, header)
    # Arrow's reader, not pandas', which pads or cuts a line with too few or too many values instead of refusing it.
    as_text = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.large_string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    # One thread, so that the error can say which row it was.
    arrow_table = pa.csv.read_csv(path, pa.csv.ReadOptions(use_threads=False), convert_options=as_text)
    table: pd.DataFrame = arrow_table.to_pandas()
    return table


def _check_separator(path: Path, header: list[str]) -> None:
    separator = next((mark for mark in _OTHER_SEPARATORS if len(header) == 1 and mark in header[0]), None)
    if separator is not None:
        found = f"{path} separates its columns by {separator!r}"
        remedy = "Save it with commas, and with points for decimals; nothing was stored"
        raise ForewarnError(found, "comma-separated values", remedy)


def _check_columns(path: Path, table: pd.DataFrame, contract: Contract) -> None:
    names = [split_unit(str(name))[0] for name in table.columns]
    duplicates = [name for name, count in Counter(names).items() if count > 1]
    if duplicates:
        found = f"{path} names {', '.join(duplicates)} more than once"
        raise ForewarnError(found, "every column once", "Rename or remove the duplicates; nothing was stored")
    missing = [column.name for column in contract.columns if column.needed and column.name not in names]
    if not missing:
        return
    unknown = [name for name in names if contract.column(name) is None]
    hints = [f"{hint[:-1]} for {name}?" for name in missing if (hint := did_you_mean(name, unknown))]
    found = f"{path} has no column {', '.join(missing)}; it has {', '.join(names[:20])}"
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


def _convert_column(
    path: Path, values: "pd.Series[Any]", column: Column, zone: ZoneInfo | None, *, strict: bool
) -> "pd.Series[Any]":
    """Convert a column to the type of its contract; without `strict`, one that cannot be converted stays as it is."""
    try:
        return _parse(path, values, column, zone)
    except _UnreadableError:
        if strict:
            raise
        return values


class _UnreadableError(ForewarnError):
    """A value cannot be read as its column's type."""


def _parse(path: Path, values: "pd.Series[Any]", column: Column, zone: ZoneInfo | None) -> "pd.Series[Any]":
    if column.type == "timestamp":
        return _parse_times(path, values, zone)
    if column.type == "string":
        return values.astype(_TYPES["string"])
    if column.type == "boolean":
        booleans = values.astype(_TYPES["string"]).str.lower().map(_BOOLEANS)
        _raise_at_first(path, values, booleans.isna() & values.notna(), "true or false")
        return booleans.astype(_TYPES["boolean"])
    numbers = pd.to_numeric(values, errors="coerce")
    bad = numbers.isna() & values.notna()
    expected = "a number, with a point for decimals"
    if column.type == "integer":
        bad |= numbers.notna() & (numbers % 1 != 0)
        expected = "an integer"
    _raise_at_first(path, values, bad, expected)
    return numbers.astype(_TYPES[column.type])


def _parse_times(path: Path, values: "pd.Series[Any]", zone: ZoneInfo | None) -> "pd.Series[Any]":
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.astype(_TYPES["timestamp"])
    if pd.api.types.is_datetime64_dtype(values.dtype):
        return _localize(path, values, values.notna(), zone).astype(_TYPES["timestamp"])
    texts = values.astype(_TYPES["string"])
    # Only the international order of year, month and day: 03/04/2026 is one day here and another there.
    times = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce").astype(_TYPES["timestamp"])
    _raise_at_first(path, values, times.isna() & values.notna(), "an ISO 8601 time such as 2026-01-31T06:00:00Z")
    naive = values.notna() & ~texts.str.contains(_WITH_ZONE, na=False)
    if naive.any():
        localized = _localize(path, times.dt.tz_localize(None), naive, zone)
        times = times.where(~naive, localized.astype(_TYPES["timestamp"]))
    return times


def _localize(path: Path, local: "pd.Series[Any]", naive: "pd.Series[bool]", zone: ZoneInfo | None) -> "pd.Series[Any]":
    """Put local times in a zone; raise at those that it skips or has twice when clocks change."""
    if zone is None:
        row = int(naive.to_numpy().argmax())
        found = f"{path}, row {row + 1}: {local.name} is {local.iloc[row]}, without a time zone"
        raise UsageError(
            found, "times such as 2026-01-31T06:00:00Z", "Name their zone with --time-zone UTC or the like"
        )
    times: pd.Series[Any] = local.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    expected = f"a time that {zone.key} has exactly once, not one skipped or repeated when clocks change"
    # An error in any case, without strict too: a row in quarantine could be read no better than this.
    _raise_at_first(path, local, times.isna() & naive, expected, kind=ForewarnError)
    return times


def _raise_at_first(
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
        raise kind(found, expected, "Fix the file; nothing was stored")
