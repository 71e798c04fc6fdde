"""Feature batches as Parquet files, written while they are computed."""

from pathlib import Path
from typing import TYPE_CHECKING

from data_contracts.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa


def write_features(batches: "pa.RecordBatchReader", folder: Path | str) -> int:
    """Write batches as the Parquet files of one folder, a file a batch.

    The memory is that of a batch or two: a single file would have to hold the places of all its columns in all its row
    groups until it is closed, which for thousands of columns is more than the data of a batch. Any reader of Parquet
    takes the folder for one table. A file appears under its name when it is whole.

    Parameters
    ----------
    batches
        What `stream_windows` gives, or any other reader.
    folder
        A new or empty folder.

    Returns
    -------
    int
        How many rows were written.

    Raises
    ------
    UsageError
        When the folder holds something already.
    """
    import pyarrow.parquet as pq

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise UsageError(f"The folder {folder} holds files already", "a new or an empty folder", "Name another folder")
    rows = 0
    for number, batch in enumerate(batches):
        whole = folder / f"part-{number:05d}.parquet"
        partial = whole.with_suffix(".partial")
        # Real numbers hardly repeat: looking for a dictionary of them costs half of the time and saves no space.
        with pq.ParquetWriter(partial, batch.schema, use_dictionary=False, write_statistics=False) as writer:
            writer.write_batch(batch)
        partial.rename(whole)
        rows += batch.num_rows
    return rows
