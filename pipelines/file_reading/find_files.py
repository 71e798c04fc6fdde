"""The files that a path names: a file, every data file below a folder, or those that a pattern matches."""

import glob
from collections.abc import Sequence
from pathlib import Path

from data_contracts.errors import NotFoundError, UsageError, did_you_mean

SUFFIXES = (".csv", ".tsv", ".parquet", ".xlsx", ".gz")
"""How the names of data files end, in a folder."""
_TEXT = (".csv", ".tsv", ".txt")


def find_files(paths: Path | Sequence[Path]) -> tuple[Path, ...]:
    """Return the files that one or several paths name, each once, sorted within a folder or pattern."""
    several = [paths] if isinstance(paths, Path) else list(paths)
    return tuple(dict.fromkeys(file for path in several for file in _files(path)))


def file_kind(path: Path) -> str:
    """Return "text", "parquet" or "workbook" by the end of a file's name, which may be compressed."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        suffix = Path(path.stem).suffix.lower()
        if suffix not in _TEXT:
            raise UsageError(f"{path} ends in '{suffix}.gz'", "a compressed text such as .csv.gz", "Unpack it")
    if suffix in _TEXT:
        return "text"
    kinds = {".parquet": "parquet", ".xlsx": "workbook"}
    if suffix not in kinds:
        expected = "CSV (.csv, .tsv or .txt, also with .gz), .parquet or .xlsx"
        raise UsageError(f"{path} ends in {path.suffix!r}", expected, "Convert the file, or rename it")
    return kinds[suffix]


def base_folder(paths: Path | Sequence[Path]) -> Path | None:
    """Return the folder if one was named."""
    only = paths if isinstance(paths, Path) else paths[0] if len(paths) == 1 else None
    return only if only is not None and only.is_dir() else None


def passed_over(paths: Path | Sequence[Path]) -> tuple[Path, ...]:
    """Return the files of folders that are not read, because their names do not end like those of data."""
    several = [paths] if isinstance(paths, Path) else list(paths)
    every = (file for path in several if path.is_dir() for file in sorted(path.rglob("*")) if file.is_file())
    return tuple(file for file in every if not _is_data(file) and not file.name.startswith((".", "~")))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if _is_data(file))
        if not files:
            others = ", ".join(file.name for file in passed_over(path)[:8])
            found = f"no file of data in {path}" + (f" (there are {others})" if others else "")
            raise NotFoundError(found, f"files ending in {', '.join(SUFFIXES)}", "Check the path")
        return files
    if not path.exists() and glob.has_magic(str(path)):
        start = Path(path.anchor)
        files = sorted(file for file in start.glob(str(path.relative_to(path.anchor))) if file.is_file())
        if not files:
            raise NotFoundError(f"no file matches {path}", "a pattern such as exports/*.csv", "Check the pattern")
        return files
    if not path.is_file():
        names = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
        hint = did_you_mean(path.name, names) or "Check the path"
        raise NotFoundError(f"no file {path}", "a file, a folder of files or a pattern such as exports/*.csv", hint)
    return [path]


def _is_data(file: Path) -> bool:
    # Spreadsheet programs and copies in progress leave files that start so.
    return file.is_file() and file.suffix.lower() in SUFFIXES and not file.name.startswith((".", "~"))
