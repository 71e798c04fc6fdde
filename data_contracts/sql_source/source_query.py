"""The rows of a query, in the order of a watermark and in chunks that keep rows of one watermark together."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from data_contracts.errors import UsageError, did_you_mean
from data_contracts.sql_source.watermarks import as_literal, check_watermark

_NUMBERED = re.compile(r":\d+$")
_FETCHED = 10_000  # rows at a time


@dataclass(frozen=True)
class Rows:
    """Rows of a query, with the names of its columns."""

    names: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class SourceQuery:
    """A query, and the column by which its rows grow."""

    text: str
    watermark: str | None = None

    def names(self, connection: sa.Connection) -> tuple[str, ...]:
        """Return the query's columns; `UsageError` if they are no table, or lack the watermark."""
        names = tuple(connection.execute(self._select().where(sa.false())).keys())
        # SQLite numbers the names that it meets again.
        plain = [_NUMBERED.sub("", name) if connection.dialect.name == "sqlite" else name for name in names]
        if twice := sorted(name for name, count in Counter(plain).items() if count > 1):
            raise UsageError(f"the query names {', '.join(twice)} twice", "each column once", "Name it with AS")
        if self.watermark is not None and self.watermark not in names:
            hint = did_you_mean(self.watermark, names) or "Add it to the query, or name another with --watermark"
            raise UsageError(f"no column {self.watermark} in the query", f"one of {', '.join(names)}", hint)
        return names

    def estimate(self, connection: sa.Connection, after: Any = None) -> int:
        """Return about how many rows there are after a watermark: as PostgreSQL plans it, elsewhere counted."""
        query = self._after(after, None)
        if connection.dialect.name != "postgresql":
            return int(connection.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one())
        # Written for parameters, which there are none of: so that a percent sign is one again.
        text = str(query.compile(connection, compile_kwargs={"literal_binds": True})).replace("%%", "%")
        plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {text}").scalar_one()
        return int((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]["Plan Rows"])

    def without_watermark(self, connection: sa.Connection) -> int:
        """Count the rows that have no watermark, and so are never imported."""
        if self.watermark is None:
            return 0
        missing = self._select().where(sa.column(self.watermark).is_(None)).subquery()
        return int(connection.execute(sa.select(sa.func.count()).select_from(missing)).scalar_one())

    def first(self, connection: sa.Connection, count: int, *, after: Any = None) -> Rows:
        """Read the first rows."""
        result = connection.execute(self._after(after, None).limit(count))
        return Rows(tuple(result.keys()), [tuple(row) for row in result])

    def read(
        self, connection: sa.Connection, chunk_rows: int, *, after: Any = None, until: Any = None
    ) -> Iterator[Rows]:
        """Read the rows after a watermark, up to another one, through a cursor that stays on the server.

        A chunk has about `chunk_rows`, and all rows of its last watermark. Without a watermark there
        is one chunk: what it would be divided by may be another order the next time.
        """
        query = self._after(after, until)
        held: list[Sequence[Any]] = []
        options = {"stream_results": True, "yield_per": min(_FETCHED, chunk_rows)}
        with connection.execute(query, execution_options=options) as result:
            names = tuple(result.keys())
            place = None if self.watermark is None else names.index(self.watermark)
            for part in result.partitions():
                held += [tuple(row) for row in part]
                if place is not None and len(held) >= chunk_rows and (whole := _whole(held, place)):
                    yield Rows(names, held[:whole])
                    held = held[whole:]
        if held:
            yield Rows(names, held)

    def _select(self) -> sa.Select[Any]:
        # As a part of ours it can only be a query, whoever wrote it.
        text = _escaped(self.text.strip().rstrip(";").rstrip())
        return sa.select(sa.literal_column("*")).select_from(sa.text(f"({text}\n) AS source"))

    def _after(self, after: Any, until: Any) -> sa.Select[Any]:
        query = self._select()
        if self.watermark is None:
            return query
        column: sa.ColumnClause[Any] = sa.column(self.watermark)
        query = query.where(column.is_not(None)) if after is None else query.where(column > as_literal(after))
        return (query if until is None else query.where(column <= as_literal(until))).order_by(column)


def last_watermark(rows: Rows, watermark: str) -> Any:
    """Return the watermark of the last row."""
    return check_watermark(rows.rows[-1][rows.names.index(watermark)], watermark)


def _whole(rows: Sequence[Sequence[Any]], place: int) -> int:
    """Count the rows before those of the last watermark, of which more may follow."""
    last, count = rows[-1][place], len(rows)
    while count and rows[count - 1][place] == last:
        count -= 1
    return count


def _escaped(text: str) -> str:
    """Keep SQLAlchemy from taking the colons of a query for parameters."""
    return text.replace("\\", "\\\\").replace(":", "\\:")
