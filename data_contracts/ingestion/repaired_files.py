"""The files that quarantined rows are exported to, and read back from once repaired."""

from pathlib import Path

import pandas as pd

from data_contracts.errors import UsageError


def write_rows(rows: pd.DataFrame, path: Path) -> None:
    """Write rows to a ``.csv`` or ``.parquet`` file."""
    if path.suffix not in (".csv", ".parquet"):
        raise UsageError(f"{path} is neither CSV nor Parquet", "a name ending in .csv or .parquet", "Rename it")
    # A batch of another shape may have put texts among numbers, which Parquet can store only as texts.
    mixed = {str(name): "str" for name in rows.columns if rows[name].dtype == object}
    try:
        if path.suffix == ".csv":
            rows.to_csv(path, index=False)
        else:
            rows.astype(mixed).to_parquet(path, index=False)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error})", "a writable path", "Choose another") from error


def read_repaired(path: Path) -> pd.DataFrame:
    """Read repaired rows; those of a CSV file all as texts, which the replay converts by the contract."""
    try:
        return pd.read_csv(path, dtype="str") if path.suffix == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error})", "a file as export writes it", "Export it again") from error
