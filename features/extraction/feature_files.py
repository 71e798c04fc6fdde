"""Feature batches as Parquet files, written while they are computed."""

from pathlib import Path
from typing import TYPE_CHECKING

from data_contracts.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa


def write_features(batches: "pa.RecordBatchReader", folder: Path | str) -> int:
    """Write batches as the Parquet files of one folder, one file a batch.

    Memory is bounded by a batch or two: a single file would have to keep the metadata of all its columns in all its row
    groups until it is closed, which for thousands of columns is more than the data of a batch. Any Parquet reader takes
    the folder for one table. A file appears under its name once it is complete.

    Parameters
    ----------
    batches
        What `stream` or `stream_windows` return, or any other reader.
    folder
        A new or empty folder.

    Returns
    -------
    int
        How many rows were written.

    Raises
    ------
    UsageError
        When the folder is not empty.
    """
    import pyarrow.parquet as pq

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise UsageError(f"The folder {folder} holds files already", "a new or an empty folder", "Name another folder")
    rows = 0
    for number, batch in enumerate(batches):
        final = folder / f"part-{number:05d}.parquet"
        partial = final.with_suffix(".partial")
        # Real numbers hardly repeat: building dictionaries of them costs half of the time and saves no space.
        with pq.ParquetWriter(partial, batch.schema, use_dictionary=False, write_statistics=False) as writer:
            writer.write_batch(batch)
        partial.rename(final)
        rows += batch.num_rows
    return rows
