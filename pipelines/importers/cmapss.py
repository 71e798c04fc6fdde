"""NASA's C-MAPSS turbofan engines: units that run to failure, and units cut off some time before.

A subset is imported as a plant and a cycle as an hour of event time: cycle n of every unit ends n hours after
2000-01-01T00:00Z, when it was put into service.

References
----------
Saxena, Goebel, Simon, Eklund, "Damage propagation modeling for aircraft engine run-to-failure simulation", PHM08,
doi:10.1109/PHM.2008.4711414.
"""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract import empty_table
from data_contracts.errors import ForewarnError, UsageError, did_you_mean
from pipelines.importers.batch import Batch
from pipelines.importers.originals import find_original, read_number_table

ASSET_TYPE = "turbofan"
CHANNELS = ("setting_1", "setting_2", "setting_3", *(f"s{number}" for number in range(1, 22)))
SERVICE = pd.Timestamp("2000-01-01T00:00Z").as_unit("us")
_COLUMNS = 2 + len(CHANNELS)
# What fails in each subset; where it is one of two, the data do not say which it was.
_MODES = {"FD001": "hpc", "FD002": "hpc", "FD003": "hpc_or_fan", "FD004": "hpc_or_fan"}


def read_cmapss(directory: Path, subset: str) -> Batch:
    """Read one subset, "FD001" to "FD004", from ``train_FD001.txt``, ``test_FD001.txt`` and ``RUL_FD001.txt``.

    The assets are ``FD001-train-001`` ... and ``FD001-test-001`` ..., of the plant ``FD001``. A training unit fails at
    its last cycle; a test unit as many hours after its last cycle as the file of true remaining lives says, which is
    known only then.
    """
    _check_subset(directory, subset)
    train = _units(find_original(directory, f"train_{subset}.txt"))
    test = _units(find_original(directory, f"test_{subset}.txt"))
    lives_file = find_original(directory, f"RUL_{subset}.txt")
    remaining = [row[0] for row in read_number_table(lives_file, 1)]
    n_test = len(np.unique(test[:, 0]))
    if len(remaining) != n_test:
        found = f"{lives_file} holds {len(remaining)} remaining lives for {n_test} test units"
        raise ForewarnError(found, "one for each test unit", "Fetch both original files again; nothing was stored")
    parts = [
        _telemetry_and_ends(train, f"{subset}-train", np.zeros(len(np.unique(train[:, 0])))),
        _telemetry_and_ends(test, f"{subset}-test", np.asarray(remaining)),
    ]
    ends = pd.concat([end for _, end in parts], ignore_index=True)
    return Batch(
        asset_type=ASSET_TYPE,
        telemetry=pd.concat([telemetry for telemetry, _ in parts], ignore_index=True),
        assets=_assets(ends["asset"], subset),
        failures=_failures(ends, subset),
        work_orders=empty_table("work_orders"),
        events=empty_table("events"),
    )


def _check_subset(directory: Path, subset: str) -> None:
    names = [item.name for item in directory.iterdir()] if directory.is_dir() else []
    present = sorted(match[1] for match in map(re.compile(r"train_(FD\d{3})\.txt").fullmatch, names) if match)
    if subset in present or (subset in _MODES and not present):
        return
    expected = f"one of those in {directory}: {', '.join(present)}" if present else f"one of {', '.join(_MODES)}"
    hint = did_you_mean(subset.upper(), present or _MODES) or "Choose another with --subset"
    if subset in _MODES:
        hint = f"Choose another with --subset, or put the files of {subset} there"
    raise UsageError(f"no subset {subset!r} of C-MAPSS", expected, hint)


def _units(path: Path) -> npt.NDArray[np.float64]:
    """Read unit, cycle and channels, shape (n_rows, 26), and check that no unit lacks a cycle."""
    rows = np.asarray(read_number_table(path, _COLUMNS), dtype=np.float64)
    unit, cycle = rows[:, 0], rows[:, 1]
    first = np.append(True, unit[1:] != unit[:-1])
    expected = np.where(first, 1.0, np.append(0.0, cycle[:-1]) + 1.0)
    wrong = np.flatnonzero(cycle != expected)
    if wrong.size:
        row = int(wrong[0])
        found = f"{path}, row {row + 1}: unit {unit[row]:g} is at cycle {cycle[row]:g}"
        raise ForewarnError(found, f"cycle {expected[row]:g}", "Fetch the original file again; nothing was stored")
    return rows


def _telemetry_and_ends(
    rows: npt.NDArray[np.float64], prefix: str, remaining: npt.NDArray[np.float64]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the telemetry of the training or the test units, and the time at which each of them fails."""
    asset = pd.Series([f"{prefix}-{unit:03.0f}" for unit in rows[:, 0]], dtype="str")
    time = SERVICE + pd.to_timedelta(rows[:, 1], unit="h").as_unit("us")
    keys = pd.DataFrame({"asset": asset, "event_time": time, "known_time": time, "source": "simulation"})
    telemetry = pd.concat([keys, pd.DataFrame(rows[:, 2:], columns=list(CHANNELS))], axis="columns")
    last = telemetry.groupby("asset", sort=False)["event_time"].max().reset_index()
    last["event_time"] += pd.to_timedelta(remaining, unit="h").as_unit("us")
    return telemetry, last


def _assets(asset: "pd.Series[str]", subset: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "asset": asset,
            "event_time": SERVICE,
            "known_time": SERVICE,
            "asset_type": ASSET_TYPE,
            "model": "C-MAPSS",
            "plant": subset,
            "line": asset.str.split("-").str[1].astype("str"),
        }
    )


def _failures(ends: pd.DataFrame, subset: str) -> pd.DataFrame:
    failures = ends.assign(known_time=ends["event_time"], mode=_MODES.get(subset, "unknown"))
    failures.insert(0, "failure_id", failures["asset"] + "-failure")
    return failures
