"""Files that rows leave quarantine in, to be mended by a person or a program, and come back in."""

from pathlib import Path

import pandas as pd

from data_contracts.errors import UsageError


def write_rows(rows: pd.DataFrame, path: Path) -> None:
    """Write rows to a file.

    Parameters
    ----------
    rows
        The rows.
    path
        A ``.csv`` or ``.parquet`` file.

    Raises
    ------
    UsageError
        If the file cannot be written, or is of another kind.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise UsageError(f"{path} is neither CSV nor Parquet", "a name ending in .csv or .parquet", "Rename it")
    # A batch of another shape may have put texts among numbers, which Parquet holds as texts only.
    mixed = {str(name): "str" for name in rows.columns if rows[name].dtype == object}
    try:
        if path.suffix == ".csv":
            rows.to_csv(path, index=False)
        else:
            rows.astype(mixed).to_parquet(path, index=False)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error})", "a path that may be written to", "Choose one"
        ) from error


def read_repaired(path: Path) -> pd.DataFrame:
    """Read rows that were written from quarantine and have been mended.

    Parameters
    ----------
    path
        A ``.csv`` or ``.parquet`` file.

    Returns
    -------
    pandas.DataFrame
        The rows; of a CSV file all as texts, for the replay to read as the contract says.

    Raises
    ------
    UsageError
        If the file cannot be read.
    """
    try:
        return pd.read_csv(path, dtype="str") if path.suffix == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error})", "a file as export writes it", "Export it again") from error
