"""SQLAlchemy's URLs of SQLite files, whatever their path is made of."""

import stat
import time
from pathlib import Path
from urllib.parse import quote, unquote

from data_contracts.errors import StorageError

_CREATED_WITHIN_S = 60.0  # a database that is just being created is empty for a moment
_PLAIN = "sqlite:///"
_BY_URI = f"{_PLAIN}file:"


def sqlite_url(file: Path) -> str:
    """Return the URL of a file; in a plain one everything after a question mark would be options.

    Examples
    --------
    >>> sqlite_url(Path("/srv/plant/records.db"))
    'sqlite:////srv/plant/records.db'
    >>> sqlite_url(Path("/srv/which?/records.db"))
    'sqlite:///file:/srv/which%3F/records.db?uri=true'
    """
    return f"{_BY_URI}{quote(str(file))}?uri=true" if "?" in str(file) else f"{_PLAIN}{file}"


def sqlite_file(url: str) -> Path | None:
    """Return the file of a URL; None for another database, or one in memory.

    Examples
    --------
    >>> sqlite_file(sqlite_url(Path("/srv/which?/records.db")))
    PosixPath('/srv/which?/records.db')
    >>> sqlite_file("postgresql://plant/records") is None
    True
    """
    scheme, _, rest = url.partition(":///")
    if scheme.partition("+")[0] != "sqlite" or not rest:
        return None
    path = rest.partition("?")[0]
    path = unquote(path.removeprefix("file:")) if path.startswith("file:") else path
    return None if path in ("", ":memory:") else Path(path)


def refuse_emptied(url: str, what: str) -> None:
    """Raise a `StorageError` if a database's file is a folder, or is empty: SQLite would take it for a new one."""
    file = sqlite_file(url)
    if file is None:
        return
    try:
        status = file.stat()
    except OSError:
        return
    if stat.S_ISDIR(status.st_mode):
        raise StorageError(
            f"{what} at {file}: that is a folder",
            "the file of a database",
            "Move the folder away, and restore the file from a backup; or name another place",
        )
    if status.st_size or time.time() - status.st_mtime < _CREATED_WITHIN_S:
        return
    if file.with_name(f"{file.name}-wal").exists():
        return
    raise StorageError(
        f"{what} at {file} are empty: the file has 0 bytes",
        "a database, or no file at all",
        "Restore it from a backup; delete it only if nothing was ever stored in it",
    )
