"""A contract in words: what its batches look like, and what is enforced."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from data_contracts.contract.contract_types import ALL_CHANNELS, Column, Contract
from data_contracts.contract.file_layout import PLAIN, FileLayout
from data_contracts.validation.checks import describe_range
from data_contracts.validation.quality_metrics import describe


@dataclass(frozen=True)
class ColumnWords:
    """A column in words."""

    name: str
    role: str  # key, channel, quality or column
    type: str
    unit: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class ContractWords:
    """A contract in words."""

    name: str
    version: str
    kind: str
    asset_type: str | None
    digest: str
    table: str
    columns: tuple[ColumnWords, ...]
    rules: tuple[str, ...]  # for a row or a batch as a whole
    layout: dict[str, Any]  # of its files, as far as the contract says

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**vars(self), "columns": [vars(column) for column in self.columns]}


def explain(contract: Contract) -> ContractWords:
    """Say what a contract demands."""
    return ContractWords(
        name=contract.name,
        version=contract.version,
        kind=contract.kind,
        asset_type=contract.asset_type,
        digest=contract.digest,
        table=contract.table,
        columns=tuple(
            ColumnWords(c.name, _role(c, contract), c.type, c.unit or "", tuple(_column_rules(c)))
            for c in contract.columns
        ),
        rules=tuple(_contract_rules(contract)),
        layout=_layout(contract.file_layout),
    )


def _role(column: Column, contract: Contract) -> str:
    if column.name in contract.key:
        return "key"
    if column.quality_of is not None:
        return "quality"
    return "channel" if column.name in contract.channels else "column"


def _column_rules(column: Column) -> Iterator[str]:
    if column.required:
        yield "a value in every row"
    elif column.max_null_share < 1 - 1e-6:
        yield f"at most {100 * column.max_null_share:.4g}% of the rows without a value"
    elif column.needed:
        yield "a value in some row"
    limits = (column.minimum, column.maximum, column.above, column.below, column.earliest, column.latest)
    if any(limit is not None for limit in limits):
        yield describe_range(column)
    if column.allowed is not None:
        yield f"one of {', '.join(map(str, column.allowed))}"
    for words, value in (
        ("at least {} characters", column.min_length),
        ("at most {} characters", column.max_length),
        ("as /{}/", column.pattern),
        ("a valid {}", column.format),
        ("a multiple of {:g}", column.multiple_of),
        ("a change of at most {:g} a second", column.max_rate_per_second),
    ):
        if value is not None:
            yield words.format(value)
    if column.unique:
        yield "each value once in a batch"
    yield from (describe(rule) for rule in column.rules)
    if column.counter:
        again = "" if column.rollover is None else f", from 0 again at {column.rollover:g}"
        yield f"a counter{again}: its increments count"
    if column.counter is False:
        yield "no counter, even if it only grows: its level counts"
    if column.quality_of is not None:
        target = "all channels" if column.quality_of == ALL_CHANNELS else column.quality_of
        yield f"bad readings of {target} become null, uncertain ones {_UNCERTAIN[column.uncertain]}"


_UNCERTAIN = {"keep": "are kept", "drop": "too"}


def _contract_rules(contract: Contract) -> Iterator[str]:
    yield f"one row for each {', '.join(contract.key)} in a batch, of at least {contract.min_rows} rows"
    yield from (describe(rule) for rule in contract.rules)
    names = {column.name for column in contract.columns}
    if {"event_time", "known_time"} <= names:
        yield "no row is known before it happened, nor after now"
    if contract.earliest_time is not None and "event_time" in names:
        yield f"no event before {contract.earliest_time:%Y-%m-%d}"
    if contract.max_age is not None:
        yield f"the latest event is at most {contract.max_age} old"
    extra = "are left out" if contract.extra_columns == "ignore" else "are refused"
    yield f"columns that are not listed {extra}"
    if contract.clock == "cycle":
        yield "event times stand for cycles"


def _layout(layout: FileLayout | None) -> dict[str, Any]:
    if layout is None:
        return {}
    values = {field.name: getattr(layout, field.name) for field in fields(layout)}
    return {name: value for name, value in values.items() if value != getattr(PLAIN, name)}
