"""Which files are large, and how their rows are read a part at a time."""

from collections.abc import Sequence
from pathlib import Path

from data_contracts.contract.contract import Contract
from data_contracts.contract.contract_types import TELEMETRY
from data_contracts.contract.file_layout import PLAIN, ROW, FileLayout
from data_contracts.progress import ProgressCallback, silent
from pipelines.file_reading.chunked.asset_chunks import LINES, AssetChunks
from pipelines.file_reading.chunked.file_chunks import CHUNK_ROWS, FileChunks
from pipelines.file_reading.find_files import base_folder, file_kind, find_files, passed_over

_LARGE_BYTES = {"text": 32 * 2**20, "parquet": 8 * 2**20}


def open_chunks(
    paths: Path | Sequence[Path],
    contract: Contract,
    layout: FileLayout | None = None,
    *,
    strict: bool = True,
    chunk_rows: int | None = None,
    progress: ProgressCallback = silent,
) -> FileChunks | AssetChunks | None:
    """Return files of telemetry as chunks, if they are large and of a kind that can be read so; see `read_table`.

    With `chunk_rows` they count as large.
    """
    layout = layout or contract.file_layout or PLAIN
    if contract.kind != TELEMETRY or layout.time_format == ROW:
        return None
    files = find_files(paths)
    kinds = [file_kind(file) for file in files]
    if "workbook" in kinds:
        return None
    sizes = zip(files, kinds, strict=True)
    if chunk_rows is None and sum(file.stat().st_size / _LARGE_BYTES[kind] for file, kind in sizes) < 1:
        return None
    given = files, contract, layout, base_folder(paths), passed_over(paths)
    if layout.join or layout.shape == "long":
        return AssetChunks(*given, lines=chunk_rows or LINES, strict=strict, progress=progress)
    return FileChunks(*given, chunk_rows=chunk_rows or CHUNK_ROWS, strict=strict, progress=progress)
