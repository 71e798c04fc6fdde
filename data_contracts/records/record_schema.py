"""How a record is stored: a frozen dataclass whose annotations define the columns of its SQL table."""

import inspect
import json
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

import pandas as pd
import sqlalchemy as sa

METADATA = sa.MetaData()
_EPOCH = pd.Timestamp(0, tz="UTC").as_unit("us")


class Instant(sa.types.TypeDecorator[pd.Timestamp]):
    """A `pd.Timestamp` in UTC, stored as microseconds since 1970, which every database orders alike."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: pd.Timestamp | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002
        """Return the microseconds to store."""
        if value is None:
            return None
        try:
            return int(value.value) // 1000
        except OverflowError:  # outside the range of nanoseconds
            return (value - _EPOCH) // pd.Timedelta(microseconds=1)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> pd.Timestamp | None:  # noqa: ARG002
        """Return the stored instant."""
        return None if value is None else pd.Timestamp(value, unit="us", tz="UTC")


class Json(sa.types.TypeDecorator[Any]):
    """A value stored as JSON text, the same in every database."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:  # noqa: ARG002
        """Return the text to store."""
        return json.dumps(value, sort_keys=True, default=str)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> Any:  # noqa: ARG002
        """Return the stored value."""
        return None if value is None else json.loads(value)


Text = Annotated[str, sa.Text]
Name = Annotated[str, sa.String(255)]
Digest = Annotated[str, sa.String(64)]
Code = Annotated[str, sa.String(16)]  # one of a few words

_SQL_TYPES: dict[Any, type[sa.types.TypeEngine[Any]]] = {
    bool: sa.Boolean,
    int: sa.Integer,
    float: sa.Float,
    pd.Timestamp: Instant,
    Mapping: Json,
    Sequence: Json,
}


class Record:
    """Base of the records: each subclass, a frozen dataclass, is a row's type and the definition of its table.

    Not SQLAlchemy's declarative mapping: its instances cannot be frozen, and take seven times as long to make and to
    read, which the endpoint would pay on every prediction. Only `str` needs its SQL type spelled out with `Annotated`,
    where a whole `sa.Column` may stand for keys and indexes. A column is nullable if its annotation allows None.
    """

    table: ClassVar[sa.Table]

    def __init_subclass__(
        cls, *, table: str, serial: bool = False, unique: Sequence[str] = (), indexes: Sequence[Sequence[str]] = ()
    ) -> None:
        """Define the table; `serial` adds a running number ``id`` as its key, `indexes` lists the columns of each."""
        columns = [_column(name, annotation) for name, annotation in inspect.get_annotations(cls).items()]
        key = [sa.Column("id", sa.Integer, primary_key=True)] if serial else []
        constraints = [sa.UniqueConstraint(*unique)] if unique else []
        several = [sa.Index("_".join(["ix", table, *names]), *names) for names in indexes]
        cls.table = sa.Table(table, METADATA, *key, *columns, *constraints, *several)

    def values(self) -> dict[str, Any]:
        """Return the fields that are set, by column name."""
        return dict(vars(self))


def _column(name: str, annotation: Any) -> "sa.Column[Any]":
    is_union = get_origin(annotation) in (Union, UnionType)
    types = get_args(annotation) if is_union else (annotation,)
    python_type = next(each for each in types if each is not NoneType)
    options = getattr(python_type, "__metadata__", None) or [_SQL_TYPES[get_origin(python_type) or python_type]]
    column = options[0] if isinstance(options[0], sa.Column) else sa.Column(options[0])
    column.name = column.key = name
    if isinstance(column.type, sa.String):
        # Ordered by code points, as SQLite and Python do, whatever the server's language.
        by_code_point = type(column.type)(column.type.length, collation="C")
        column.type = column.type.with_variant(by_code_point, "postgresql")
    column.nullable = NoneType in types
    return column
