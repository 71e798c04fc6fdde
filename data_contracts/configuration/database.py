"""Settings of a database server for the records, which travel in the query of its URL."""

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import Field, Strict

from data_contracts.configuration.places import Source, toml_value
from data_contracts.configuration.values import build, configuration

VARIABLE = "FOREWARN_DATABASE_"
SERVERS = ("postgres", "postgresql")
"""The URLs, by how they begin, that these settings are for."""

# Up to the last @ of the address, as a password may hold one.
_SECRET = re.compile(r"(?<=://)(?P<user>[^:/@?#]*):.*@", re.DOTALL)
_SECRET_KEY = re.compile(r"(?<=[?&])(?P<key>password|sslpassword)=[^&#]*")
_SECONDS: dict[str, Any] = {"unit": "s"}
_Connections = Annotated[int, Strict(), Field(ge=1, le=1_000)]
_Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False, json_schema_extra=_SECONDS)]
_Wait = Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False, json_schema_extra=_SECONDS)]


@configuration
class DatabaseSettings:
    """How PostgreSQL is used for the records; SQLite needs none of it.

    FOREWARN_DATABASE_POOL_SIZE and its like win over the file, and the query of the records' URL (``?pool_size=10``)
    over both.
    """

    pool_size: _Connections = 5
    """How many connections a process keeps open."""
    max_overflow: Annotated[int, Strict(), Field(ge=0, le=1_000)] = 10
    """How many more it opens under load, and closes again."""
    recycle_seconds: _Wait = 1_800.0
    """The age at which a connection is replaced, below what a firewall or a balancer in between allows."""
    connect_timeout_seconds: _Wait | None = None
    """How long to wait for a connection; by default as long as for a lock."""
    lock_timeout_seconds: _Wait | None = None
    """How long to wait for a lock that another process holds; by default 2 s at the endpoint and 10 s elsewhere."""
    statement_timeout_seconds: _Seconds = 300.0
    """After how long the server gives up a statement; 0 for never."""
    idle_transaction_seconds: _Seconds = 60.0
    """After how long the server ends a transaction whose process does nothing, and frees its locks; 0 for never."""
    keepalive_seconds: _Wait | None = None
    """After how much silence TCP asks whether the other side is there, which it is taken not to be three seconds later;
    by default as long as for a lock."""


NAMES = tuple(each.name for each in fields(DatabaseSettings))


def is_server(url: str) -> bool:
    """Return whether a URL is one of a database server that the settings are for."""
    return url.partition(":")[0].partition("+")[0].lower() in SERVERS


def with_database_settings(url: str, given: Mapping[str, Any]) -> str:
    """Write settings into a server's URL, less those that it has; the URL of a file stays as it is."""
    if not is_server(url):
        return url
    there = {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    more = urlencode({name: value for name, value in given.items() if name not in there})
    return f"{url}{'&' if '?' in url else '?'}{more}" if more else url


def given_settings(section: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what a file's section and the environment give, and from where by dotted key; the environment wins."""
    variables = {name: VARIABLE + name.upper() for name in NAMES}
    from_environment = {name: toml_value(environ[each]) for name, each in variables.items() if environ.get(each)}
    return {**section, **from_environment}, {f"database.{name}": variables[name] for name in from_environment}


def settings_in_query(query: Mapping[str, Any]) -> DatabaseSettings:
    """Read the settings that a URL's query gives, and the defaults of the others; `UsageError` for a wrong value."""
    given = {name: toml_value(str(query[name])) for name in NAMES if name in query}
    return build(DatabaseSettings, given, Source("the query of the records' URL"))


def without_password(url: str) -> str:
    """Return a URL, valid or not, without its password.

    Examples
    --------
    >>> without_password("postgresql://ada:se@cret@db:port/forewarn")
    'postgresql://ada:***@db:port/forewarn'
    >>> without_password("sqlite:////srv/records.db")
    'sqlite:////srv/records.db'
    """
    return _SECRET_KEY.sub(r"\g<key>=***", _SECRET.sub(r"\g<user>:***@", url))
