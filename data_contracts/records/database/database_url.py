"""The records' URL, parsed; a password in it is never shown."""

import sqlalchemy as sa

from data_contracts.configuration.database import SERVERS, without_password
from data_contracts.errors import StorageError

_DRIVER = "postgresql+psycopg"


def parse_url(url: str) -> sa.URL:
    """Parse a URL; one of PostgreSQL that names no driver has psycopg. `StorageError` if it is none."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise StorageError(
            f"the records' URL {without_password(url)!r} is not a valid SQLAlchemy URL",
            "one such as sqlite:////var/lib/x.db or postgresql://user@host:5432/forewarn",
            "Fix FOREWARN_RECORDS_URL, or records in forewarn.toml; / @ # and ? in a password are %2F %40 %23 and %3F",
        ) from error
    return parsed.set(drivername=_DRIVER) if parsed.drivername in SERVERS else parsed


def shown_url(engine: sa.Engine) -> str:
    """Return the URL of an engine as messages may show it."""
    return without_password(str(engine.url))
