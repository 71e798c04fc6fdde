"""A user's own tables, as CSV or Parquet files, each under its contract.

Times have to say which zone they are in, or the caller has to: a shift of an hour moves every label, and nothing
downstream could notice.
"""

import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.contract import DTYPES, Column, Contract, empty_table, load_contract, telemetry_contract
from data_contracts.errors import ForewarnError, NotFoundError, UsageError, did_you_mean
from pipelines.importers.batch import Batch

_SUFFIXES = (".csv", ".parquet")
# A time of day, then Z or an offset from UTC. A bare date ends in digits too, hence the time of day.
_WITH_ZONE = re.compile(r"[T ]\d\d.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$")
_TYPES = {kind: pd.api.types.pandas_dtype(name) for kind, name in DTYPES.items()}
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def read_files(
    telemetry: Path,
    *,
    contract: str | Contract,
    assets: Path | None = None,
    failures: Path | None = None,
    work_orders: Path | None = None,
    events: Path | None = None,
    time_zone: str | None = None,
) -> Batch:
    """Read a user's own tables.

    Parameters
    ----------
    telemetry
        Readings, with the columns that `contract` names.
    contract
        The telemetry's contract: one of the shipped, the path of an ODCS file, an asset type, or the contract itself.
    assets
        The assets; when None, those that the workspace does not know yet count as put into service at their first
        reading, see `import_batch`.
    failures, work_orders, events
        The other tables, with the columns that the shipped contracts of those names ask for.
    time_zone
        The zone of times that name none, such as ``"UTC"`` or ``"Europe/Berlin"``.

    Returns
    -------
    Batch
        All that was read; what was not given has no rows.

    Raises
    ------
    ForewarnError
        If a file is missing, empty or lacks a column, or a value cannot be read; it names the row.
    """
    agreed = contract if isinstance(contract, Contract) else _telemetry_contract(contract)
    readings = read_table(telemetry, agreed, time_zone=time_zone)

    def other(name: str, path: Path | None) -> pd.DataFrame:
        return empty_table(name) if path is None else read_table(path, load_contract(name), time_zone=time_zone)

    return Batch(
        asset_type=str(agreed.asset_type),
        telemetry=readings,
        assets=other("assets", assets),
        failures=other("failures", failures),
        work_orders=other("work_orders", work_orders),
        events=other("events", events),
        telemetry_contract=agreed,
    )


def read_table(path: Path, contract: Contract, *, time_zone: str | None = None) -> pd.DataFrame:
    """Read one CSV or Parquet file and give every column the type its contract asks for.

    Parameters
    ----------
    path
        The file; a CSV file names its columns in the first line, separates by commas and writes nothing for a missing
        value.
    contract
        What the table has to be. Limits are not checked here; see `data_contracts.checks`.
    time_zone
        The zone of times that name none, such as ``"UTC"`` or ``"Europe/Berlin"``.

    Returns
    -------
    DataFrame
        The rows in the file's order: text as ``str``, numbers as float64, times in UTC to the microsecond. Columns the
        contract does not know follow as they are.

    Raises
    ------
    NotFoundError
        If there is no such file.
    UsageError
        If the file is neither CSV nor Parquet, or a time names no zone and `time_zone` is not given or unknown.
    ForewarnError
        If the file is empty or broken, a column is missing, or a value cannot be read; it names the row.
    """
    zone = _zone(time_zone)
    table = _read(path)
    if not len(table):
        raise ForewarnError(f"{path} holds no rows", "at least one row", "Check how it was written; nothing was stored")
    _demand_columns(path, table, contract)
    known = {
        column.name: _typed(path, table[column.name], column, zone)
        for column in contract.columns
        if column.name in table
    }
    rest = [name for name in table.columns if name not in known]
    return pd.DataFrame(known).assign(**{name: table[name] for name in rest})


def _telemetry_contract(name: str) -> Contract:
    if name.endswith((".yaml", ".yml")) or name.startswith("telemetry_"):
        contract = load_contract(name)
    else:
        contract = telemetry_contract(name)
    if contract.kind != "telemetry":
        found = f"the contract {contract.name!r} is about {contract.kind}"
        raise UsageError(found, "a contract for telemetry", "Name the contract of the telemetry file")
    return contract


def _read(path: Path) -> pd.DataFrame:
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
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        # Everything as text at first: an identifier such as 007 must not become the number 7.
        return pd.read_csv(
            path, dtype="str", keep_default_na=False, na_values=[""], index_col=False, on_bad_lines="error"
        )
    except (pa.ArrowException, ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        reason = str(error).strip().splitlines()[0]
        raise ForewarnError(
            f"{path} cannot be read ({reason})", f"a whole {path.suffix} file", "Write it again"
        ) from error


def _demand_columns(path: Path, table: pd.DataFrame, contract: Contract) -> None:
    there = [str(name) for name in table.columns]
    missing = [column.name for column in contract.columns if column.needed and column.name not in there]
    if not missing:
        return
    strange = [name for name in there if contract.column(name) is None]
    hints = [f"{hint[:-1]} for {name}?" for name in missing if (hint := did_you_mean(name, strange))]
    found = f"{path} has no column {', '.join(missing)}; it has {', '.join(there[:20])}"
    expected = f"the columns of the contract {contract.name}: {', '.join(column.name for column in contract.columns)}"
    raise ForewarnError(found, expected, " ".join(hints).rstrip(".") or "Add it, or name another contract")


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"no time zone {name!r}", "a name such as UTC or Europe/Berlin", "Correct --time-zone"
        ) from error


def _typed(path: Path, values: "pd.Series[Any]", column: Column, zone: ZoneInfo | None) -> "pd.Series[Any]":
    """Give a column the type of its contract, or name the first row that cannot have it."""
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
    _refuse(path, local, times.isna() & naive, f"a time that {zone.key} has once, which it has not when clocks change")
    return times


def _refuse(path: Path, values: "pd.Series[Any]", bad: "pd.Series[bool]", expected: str) -> None:
    rows = np.flatnonzero(bad.to_numpy())
    if rows.size:
        more = f" (and {rows.size - 1} more rows)" if rows.size > 1 else ""
        found = f"{path}, row {rows[0] + 1}: {values.name} is {str(values.iloc[rows[0]])!r}{more}"
        raise ForewarnError(found, expected, "Mend the file; nothing was stored")
