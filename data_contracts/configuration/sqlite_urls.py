"""SQLAlchemy's URLs of SQLite files, whatever their path is made of."""

from pathlib import Path
from urllib.parse import quote, unquote

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
