"""Microsoft's predictive-maintenance sample: hourly telemetry, error codes, replacements and failures of machines.

Times name no zone and are taken as UTC. A reading is the mean over the hour that ends at its time, and known then.
Failures, replacements and error codes are booked under an hour, and known when that hour is over. With bookings known
within their own hour a model would read the label instead of predicting it, for two reasons: nearly every failure is
booked a second time, as a replacement in the same hour; and nearly every failure is announced by an error code booked
exactly 24 hours before it, so that the code's hour is the edge of a label of 24 hours.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from data_contracts.errors import ForewarnError
from pipelines.importers.batch import Batch
from pipelines.importers.originals import find_original, parse_numbers, parse_times, read_comma_table

ASSET_TYPE = "azure_machine"
PLANT = "azure"
CHANNELS = ("volt", "rotate", "pressure", "vibration")
BOOKING_DELAY = pd.Timedelta(hours=1)  # from the hour a failure, replacement or error code is booked under
_START_YEAR = 2015
_FILES = {
    "telemetry": ("PdM_telemetry.csv", ("datetime", "machineID", *CHANNELS)),
    "errors": ("PdM_errors.csv", ("datetime", "machineID", "errorID")),
    "failures": ("PdM_failures.csv", ("datetime", "machineID", "failure")),
    "replacements": ("PdM_maint.csv", ("datetime", "machineID", "comp")),
    "machines": ("PdM_machines.csv", ("machineID", "model", "age")),
}


def read_azure_pdm(directory: Path) -> Batch:
    """Read the sample from its five original files, ``PdM_telemetry.csv`` and the like.

    The assets are ``azure-01`` ..., of the plant ``azure``, put into service as many years before 2015-01-01 as they
    are old. Error codes become events; replacements become work orders, corrective where the component failed in the
    same hour and routine otherwise.
    """
    tables = {name: _read(find_original(directory, file), columns) for name, (file, columns) in _FILES.items()}
    _check_machines(directory, tables)
    failures = _booked(tables["failures"], "failure")
    return Batch(
        asset_type=ASSET_TYPE,
        telemetry=_telemetry(tables["telemetry"]),
        assets=_assets(tables["machines"]),
        failures=failures.rename(columns={"id": "failure_id", "what": "mode"}),
        work_orders=_work_orders(_booked(tables["replacements"], "comp"), failures),
        events=_events(tables["errors"]),
    )


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read one file, its times and numbers parsed, with the asset's name in place of the machine's number."""
    table = read_comma_table(path, columns)
    for name in columns:
        if name == "datetime":
            table[name] = parse_times(path, table[name])
        elif name in {"machineID", "age", *CHANNELS}:
            table[name] = parse_numbers(path, table[name])
    table.insert(
        0, "asset", table.pop("machineID").astype(int).map(lambda machine: f"azure-{machine:02d}").astype("str")
    )
    return table


def _check_machines(directory: Path, tables: dict[str, pd.DataFrame]) -> None:
    known = set(tables["machines"]["asset"])
    for name, table in tables.items():
        unknown = sorted(set(table["asset"]) - known)
        if unknown:
            found = f"{directory / _FILES[name][0]} has rows of {unknown[0]}"
            expected = f"one of the {len(known)} machines of {_FILES['machines'][0]}"
            raise ForewarnError(found, expected, "Take all five files from one source; nothing was stored")


def _telemetry(table: pd.DataFrame) -> pd.DataFrame:
    readings = table.rename(columns={"datetime": "event_time"}).assign(source="physical")
    readings["known_time"] = readings["event_time"]
    return readings[["asset", "event_time", "known_time", "source", *CHANNELS]]


def _assets(machines: pd.DataFrame) -> pd.DataFrame:
    service = pd.to_datetime([f"{_START_YEAR - int(age)}-01-01" for age in machines["age"]], utc=True).as_unit("us")
    return pd.DataFrame(
        {
            "asset": machines["asset"],
            "event_time": service,
            "known_time": service,
            "asset_type": ASSET_TYPE,
            "model": machines["model"],
            "plant": PLANT,
            "line": pd.Series(dtype="str"),
        }
    )


def _booked(table: pd.DataFrame, what: str) -> pd.DataFrame:
    """Return the rows of a table that books by the hour, with an id, event time and known time."""
    hour = table["datetime"]
    identifier = table["asset"] + "-" + hour.dt.strftime("%Y-%m-%dT%H") + "-" + table[what]
    columns = {"id": identifier, "asset": table["asset"], "event_time": hour, "known_time": hour + BOOKING_DELAY}
    return pd.DataFrame(columns).assign(what=table[what])


def _work_orders(replacements: pd.DataFrame, failures: pd.DataFrame) -> pd.DataFrame:
    failed = replacements["id"].isin(failures["id"])
    orders = replacements.rename(columns={"id": "work_order_id", "what": "component"})
    orders.insert(4, "kind", np.where(failed, "corrective", "routine"))
    return orders.assign(finding=pd.Series(dtype="str"), prompted_by=np.where(failed, "failure", "schedule"))


def _events(errors: pd.DataFrame) -> pd.DataFrame:
    return _booked(errors, "errorID").rename(columns={"id": "event_id", "what": "code"})
