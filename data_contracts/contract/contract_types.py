"""What a contract says: its columns, their rules, and the rules for a batch as a whole."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import pandas as pd

from data_contracts.contract.file_layout import FileLayout

ColumnType = Literal["string", "number", "integer", "timestamp", "boolean"]
DTYPES: dict[str, str] = {
    "string": "str",
    "number": "float64",
    "integer": "Int64",
    "timestamp": "datetime64[us, UTC]",
    "boolean": "boolean",
}
"""The pandas dtype of each column type of a contract."""
KEY_COLUMNS = ("asset", "event_time", "known_time", "source")
PARTS: Mapping[str, str] = {"spare_parts": "part", "spare_stock": "part"}
"""The kinds whose rows are not about assets, and the column that says what they are about."""
STORED_VERSION = "stored_version"
"""The column that tables add to every row: the table version that stored it."""
TELEMETRY = "telemetry"
ALL_CHANNELS = "*"
QUALITY_SUFFIX = "__quality"
"""What the name of a column ends in that says the quality of a channel's readings."""
EARLIEST: Mapping[str, pd.Timestamp] = {
    # A clock that was never set says 1970, 1900 or year 1. Machines may be older than what is measured of them.
    kind: pd.Timestamp(year, tz="UTC")
    for kind, year in {
        "assets": "1900-01-02",
        "asset_graph": "1900-01-02",
        "telemetry": "1990-01-01",
        "failures": "1990-01-01",
        "work_orders": "1990-01-01",
        "events": "1990-01-01",
        "spare_parts": "1990-01-01",
        "spare_stock": "1990-01-01",
    }.items()
}
"""The earliest event time of each kind of table whose contract declares none."""
# Fields that were added after models had recorded digests. At their defaults they do not count.
_ADDED_TO_COLUMN = (
    *("above", "below", "multiple_of", "earliest", "latest", "min_length", "max_length", "pattern", "format", "unique"),
    *("rules", "time_zone", "counter", "rollover", "quality_of", "uncertain", "quality_words"),
)
_ADDED_TO_CONTRACT = ("rules", "extra_columns", "earliest_time", "clock", "derived_from")


@dataclass(frozen=True)
class QualityRule:
    """A limit on a metric of a batch, as the standard's library has them.

    Parameters
    ----------
    metric
        ``"nullValues"``, ``"missingValues"``, ``"invalidValues"``, ``"duplicateValues"`` or ``"rowCount"``.
    limits
        The operators and their numbers, such as ``(("mustBeLessThan", (5.0,)),)``; all have to hold.
    percent
        Whether the numbers are per cent of the batch's rows rather than rows.
    listed
        What counts as missing (with None for null), or the valid values; None if the rule lists none.
    pattern
        The regular expression of valid values, found anywhere in them; None for any.
    columns
        The columns whose values are duplicates together, of a rule for the table.
    """

    metric: str
    limits: tuple[tuple[str, tuple[float, ...]], ...]
    percent: bool = False
    listed: tuple[Any, ...] | None = None
    pattern: str | None = None
    columns: tuple[str, ...] = ()

    @property
    def forbids_any(self) -> bool:
        """Return whether not a single row may count, so that the rows can be refused one by one."""
        return any(
            (operator in ("mustBe", "mustBeLessOrEqualTo") and numbers[0] == 0)
            or (operator == "mustBeLessThan" and not self.percent and 0 < numbers[0] <= 1)
            or (operator == "mustBeBetween" and numbers == (0.0, 0.0))
            for operator, numbers in self.limits
        )


@dataclass(frozen=True)
class Column:
    """The rules for one column.

    Parameters
    ----------
    name
        The column's name.
    type
        The type of its values.
    unit
        The symbol of their unit; None if they have none, or it is unknown.
    required
        Whether every row must have a value.
    minimum, maximum
        The limits of the numbers, inclusive, in `unit`; None for no limit.
    allowed
        The allowed values, of the column's type; None for any.
    max_null_share
        The largest share of a batch's rows without a value, 0 to 1. Below 1 the column must be present.
    max_rate_per_second
        The largest change between consecutive rows of an asset, in `unit` a second; None for any.
    description
        What the values mean.
    above, below
        The limits of the numbers, exclusive, in `unit`; None for no limit.
    multiple_of
        What the numbers are multiples of; None for any.
    earliest, latest
        The limits of the times, inclusive; None for no limit.
    min_length, max_length
        The limits of the texts' lengths, in characters; None for no limit.
    pattern
        A regular expression found in each text; None for any.
    format
        What the texts are: ``"uuid"``, ``"email"``, ``"uri"``, ``"hostname"``, ``"ipv4"`` or ``"ipv6"``; None for any.
    unique
        Whether no value may occur twice in a batch.
    rules
        Further limits on metrics of a batch.
    time_zone
        The zone of times that name none, such as "Europe/Berlin"; None if they have to name one.
    counter
        Whether the values only grow, apart from resets, so that what counts are their increments; None if undeclared.
    rollover
        Where a counter starts again from 0; None if it does not.
    quality_of
        The channel whose readings this column says the quality of, ``"*"`` for all; None for any other column.
    uncertain
        Whether a reading of uncertain quality is kept or becomes null.
    quality_words
        What the words of this quality column mean beyond the usual ones, as ``(word, quality)``.
    """

    name: str
    type: ColumnType
    unit: str | None = None
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[Any, ...] | None = None
    max_null_share: float = 1.0
    max_rate_per_second: float | None = None
    description: str = ""
    above: float | None = None
    below: float | None = None
    multiple_of: float | None = None
    earliest: pd.Timestamp | None = None
    latest: pd.Timestamp | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    format: str | None = None
    unique: bool = False
    rules: tuple[QualityRule, ...] = ()
    time_zone: str | None = None
    counter: bool | None = None
    rollover: float | None = None
    quality_of: str | None = None
    uncertain: Literal["keep", "drop"] = "keep"
    quality_words: tuple[tuple[str, str], ...] = ()

    @property
    def needed(self) -> bool:
        """Return whether the column must be present."""
        return self.required or self.max_null_share < 1

    @property
    def lowest(self) -> float | None:
        """Return the smallest number within the limits, inclusive or not; None for no limit."""
        above = None if self.above is None else math.nextafter(self.above, math.inf)
        return max((limit for limit in (self.minimum, above) if limit is not None), default=None)

    @property
    def highest(self) -> float | None:
        """Return the largest number within the limits, inclusive or not; None for no limit."""
        below = None if self.below is None else math.nextafter(self.below, -math.inf)
        return min((limit for limit in (self.maximum, below) if limit is not None), default=None)


@dataclass(frozen=True)
class Contract:
    """The rules for batches of one kind of data.

    Parameters
    ----------
    name
        The contract's name.
    version
        Its version, as its authors count.
    kind
        What the rows are: ``"telemetry"``, ``"assets"``, ``"failures"``, ``"work_orders"``, ``"events"``,
        ``"predictions"``, ``"asset_graph"``, ``"spare_parts"`` or ``"spare_stock"``.
    columns
        The columns, in order.
    key
        The columns that identify a row within a batch.
    min_rows
        The fewest rows of a batch; at least 1.
    max_age
        The largest age of the latest event, when a batch becomes known and when it is predicted from; None for any.
    asset_type
        The asset type of telemetry; None for other kinds.
    rules
        Further limits on metrics of a batch.
    extra_columns
        What becomes of a batch with columns that the contract does not have: it is refused, or they are left out.
    earliest_time
        The earliest event time of a row; None for any.
    clock
        Whether event times are times, or stand for cycles.
    file_layout
        How the files of such batches are laid out; None if the contract does not say.
    derived_from
        The asset type whose telemetry this one is computed from, and whose records its assets have; None if measured.
    settable
        The properties of the twin that may be commanded, with the limits of what may be; no columns of a batch.
    """

    name: str
    version: str
    kind: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    min_rows: int = 1
    max_age: pd.Timedelta | None = None
    asset_type: str | None = None
    rules: tuple[QualityRule, ...] = ()
    extra_columns: Literal["refuse", "ignore"] = "refuse"
    earliest_time: pd.Timestamp | None = None
    clock: Literal["time", "cycle"] = "time"
    file_layout: FileLayout | None = field(default=None, hash=False)  # its mappings cannot be hashed
    derived_from: str | None = None
    settable: tuple[Column, ...] = ()

    @property
    def channels(self) -> tuple[str, ...]:
        """Return the names of the telemetry channels, in order; empty for other kinds."""
        if self.kind != TELEMETRY:
            return ()
        return tuple(c.name for c in self.columns if c.name not in KEY_COLUMNS and c.quality_of is None)

    @property
    def table(self) -> str:
        """Return the name of the table that stores accepted rows."""
        return f"{TELEMETRY}/{self.asset_type}" if self.kind == TELEMETRY else self.kind

    @property
    def subject(self) -> str:
        """Return the column that says what a row is about: the asset, or of spare parts the part."""
        return PARTS.get(self.kind, "asset")

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """Return the columns of the table; its columns of qualities come with the rows that are not good."""
        return tuple(column for column in self.columns if column.quality_of is None)

    def quality_columns(self, names: Iterable[str]) -> tuple[Column, ...]:
        """Return the columns among `names` that say the quality of readings.

        They are those that the contract declares, and those named like their channel, such as ``vibration__quality``.
        """
        declared = {column.name: column for column in self.columns}
        targets = {quality_column(channel): channel for channel in (*self.channels, ALL_CHANNELS)}
        found = []
        for name in names:
            if name in declared:
                found += [declared[name]] if declared[name].quality_of is not None else []
            elif name in targets and self.kind == TELEMETRY:
                found.append(Column(name, "string", quality_of=targets[name]))
        return tuple(dict.fromkeys(found))

    @property
    def digest(self) -> str:
        """Return a digest of all rules and descriptions; models record it, so renaming a field would change it."""
        rules = asdict(self)
        # How a file is written, and what machines may be commanded, say nothing about the data in it.
        del rules["file_layout"], rules["settable"]
        if self.earliest_time == EARLIEST.get(self.kind):
            del rules["earliest_time"]
        rules = _without_defaults(rules, Contract, _ADDED_TO_CONTRACT)
        # That a channel does not count is what everybody had assumed before it could be said.
        columns = [column | ({} if column["counter"] else {"counter": None}) for column in rules["columns"]]
        rules["columns"] = [_without_defaults(column, Column, _ADDED_TO_COLUMN) for column in columns]
        content = json.dumps(rules, sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def column(self, name: str) -> Column | None:
        """Return the column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def empty(self) -> pd.DataFrame:
        """Return a frame with the contract's columns and dtypes, and no rows."""
        return pd.DataFrame({column.name: pd.Series(dtype=DTYPES[column.type]) for column in self.stored_columns})


def quality_column(channel: str) -> str:
    """Return the name of the stored column with the quality of a channel's readings, or of all (`ALL_CHANNELS`)."""
    return f"{'' if channel == ALL_CHANNELS else channel}{QUALITY_SUFFIX}"


def is_quality_column(name: str) -> bool:
    """Return whether a column of stored telemetry says the quality of readings."""
    return name.endswith(QUALITY_SUFFIX)


def _without_defaults(rules: dict[str, Any], kind: type, added: tuple[str, ...]) -> dict[str, Any]:
    # Fields of the original release count even at their defaults, as they always have.
    defaults = {field.name: field.default for field in fields(kind) if field.name in added}
    return {name: value for name, value in rules.items() if name not in defaults or value != defaults[name]}
