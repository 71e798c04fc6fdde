"""The test predictions of a version, with their labels, as a file."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.workspace import Workspace
from models.comparisons.compared_version import stored_predictions
from models.labels.labels import LabelState
from models.registry.registry import Registry
from pipelines.terminal.tables import records_table

if TYPE_CHECKING:
    from rich.console import Group

_SHOWN = 10
_FORMATS = (".csv", ".parquet")
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class VersionPredictions:
    """The test predictions of a version, and the file they were written to."""

    model_name: str
    version: int
    frame: pd.DataFrame  # asset, as_of, prediction, alert, the truth (state and label, or a number), perhaps intervals
    file: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: the rows too where no file holds them."""
        head: dict[str, Any] = {"model": self.model_name, "version": self.version, "rows": len(self.frame)}
        if self.file is not None:
            return head | {"file": str(self.file), "columns": list(self.frame.columns)}
        return head | {"predictions": _records(self.frame)}

    def __rich__(self) -> "Group":
        """Render the first rows, and where all of them are."""
        from rich.console import Group
        from rich.text import Text

        span = (
            f", {self.frame['as_of'].min():%Y-%m-%d} to {self.frame['as_of'].max():%Y-%m-%d}" if len(self.frame) else ""
        )
        head = f"{self.model_name} version {self.version}: {len(self.frame):,} test predictions"
        head += f" of {self.frame['asset'].nunique():,} assets{span}"
        if self.file is not None:
            return Group(Text(head), Text(f"written to {self.file}", style="dim"))
        more = f"the first {min(_SHOWN, len(self.frame))}; all with --out FILE.csv or FILE.parquet"
        return Group(Text(head), records_table(_records(self.frame.head(_SHOWN))), Text(more, style="dim"))


def read_predictions(workspace: Workspace, name: str, version: int | str) -> VersionPredictions:
    """Read the test predictions that were registered with a version, by number or alias."""
    registry = Registry(workspace)
    frame = stored_predictions(registry, name, version)
    number = registry.get_alias(name, version) if isinstance(version, str) and not version.isdecimal() else int(version)
    if "state" in frame:
        label = frame["state"].map({LabelState.POSITIVE: 1, LabelState.NEGATIVE: 0}).astype("Int64")
        frame.insert(list(frame.columns).index("state") + 1, "label", label)
    return VersionPredictions(name, int(number or 0), frame)


def check_format(file: Path | None) -> None:
    """Raise UsageError for a file of another format."""
    if file is not None and file.suffix.lower() not in _FORMATS:
        raise UsageError(f"{file}", f"a file that ends in {' or '.join(_FORMATS)}", "Name it so")


def write_predictions(predictions: VersionPredictions, file: Path) -> VersionPredictions:
    """Write predictions as CSV or Parquet, by the file's suffix, whole or not at all."""
    check_format(file)
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix.lower() == ".csv":
            for_spreadsheets(predictions.frame).to_csv(unfinished, index=False, quoting=csv.QUOTE_MINIMAL)
        else:
            predictions.frame.to_parquet(unfinished, index=False)
        unfinished.replace(file)
    except OSError as error:
        found = f"{file} cannot be written ({error.strerror})"
        raise UsageError(found, "a file in a writable folder", "Name another") from error
    return VersionPredictions(predictions.model_name, predictions.version, predictions.frame, file)


def for_spreadsheets(frame: pd.DataFrame) -> pd.DataFrame:
    """Write times in ISO 8601, and assets so that no spreadsheet takes one for a formula (OWASP, CSV Injection)."""
    asset = frame["asset"].astype(str)
    safe = asset.where(~asset.str.startswith(_FORMULAS), "'" + asset)
    return frame.assign(asset=safe, as_of=frame["as_of"].map(lambda time: time.isoformat()))


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    written = frame.assign(as_of=frame["as_of"].map(lambda time: time.isoformat())).astype(object)
    return [
        {str(name): value for name, value in row.items()}
        for row in written.where(written.notna(), None).to_dict("records")
    ]
