"""A contract's row checks as limits for whole arrays, compiled once; what has no such form is left to `examine`."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data_contracts.contract.contract_types import KEY_COLUMNS, Column, Contract
from data_contracts.validation.checks import row_detail
from data_contracts.validation.expectations import number_limits

_TEXTS = ("asset", "source")


@dataclass(frozen=True)
class ChannelChecks:
    """The checks of one channel; each reason is None where there is no such check."""

    name: str
    required: str | None
    low: float
    high: float
    strict_low: bool
    strict_high: bool
    range: str
    allowed: npt.NDArray[np.float64] | None
    allowed_reason: str | None
    multiple_of: float | None
    multiple_reason: str | None
    max_rate: float | None
    rate: str | None


@dataclass(frozen=True)
class CompiledContract:
    """A contract's row checks, ready for arrays."""

    contract: Contract
    examined_because: tuple[str, ...]  # rules without a form for arrays: then every flush is examined as a batch is
    channels: tuple[ChannelChecks, ...]
    texts: tuple[Column, ...]  # the rules of asset and source
    earliest_us: int | None
    earliest: str  # reason
    time_limits: tuple[tuple[str, int | None, int | None, str], ...]  # name, earliest, latest in µs, and the reason
    ordered: bool  # whether a row may not be known before it happened
    time_order: str  # reason
    unique: str  # reason

    @property
    def has_rates(self) -> bool:
        """Return whether a rate of change is limited."""
        return any(channel.max_rate is not None for channel in self.channels)


@functools.lru_cache(maxsize=64)
def compile_contract(contract: Contract) -> CompiledContract:
    """Compile the row checks of a telemetry contract."""
    columns = {column.name: column for column in contract.columns}
    event = columns.get("event_time")
    return CompiledContract(
        contract=contract,
        examined_because=tuple(_without_form(contract)),
        channels=tuple(
            _channel(columns[name], contract) for name in contract.channels if columns[name].type == "number"
        ),
        texts=tuple(columns[name] for name in _TEXTS if name in columns),
        earliest_us=None if contract.earliest_time is None or event is None else _us(contract.earliest_time),
        earliest="" if event is None or contract.earliest_time is None else reason("earliest_time", event, contract),
        time_limits=tuple(
            (column.name, _us(column.earliest), _us(column.latest), reason("range", column, contract))
            for column in (columns[name] for name in ("event_time", "known_time") if name in columns)
            if column.earliest is not None or column.latest is not None
        ),
        ordered={"event_time", "known_time"} <= columns.keys(),
        time_order=reason("time_order", None, contract),
        unique=reason("unique", None, contract),
    )


def reason(check: str, column: Column | None, contract: Contract) -> str:
    """Return why a row is refused that fails a check, in the words of `examine`."""
    detail = "every row must have a value" if check == "required" else row_detail(check, column, contract)
    return f"{check} {column.name if column else ''}".strip() + f": {detail}"


def _without_form(contract: Contract) -> Iterator[str]:
    for column in contract.columns:
        is_number = column.type == "number" or column.name in KEY_COLUMNS or column.quality_of is not None
        if not is_number:
            yield f"{column.name} holds {column.type} values"
        if column.unique:
            yield f"no value of {column.name} may occur twice"
        if column.format is not None and column.name not in _TEXTS:
            yield f"{column.name} has a format"
        if column.quality_of is not None and (column.needed or column.allowed or column.pattern):
            yield f"the qualities in {column.name} have rules"
        for rule in column.rules:
            if rule.forbids_any:
                yield f"{rule.metric} of {column.name} refuses rows"
    for rule in contract.rules:
        if rule.forbids_any:
            yield f"{rule.metric} of the batch refuses rows"
    if not set(contract.key) <= set(KEY_COLUMNS):
        yield f"the key is {', '.join(contract.key)}"
    if missing := [name for name in KEY_COLUMNS if contract.column(name) is None]:
        yield f"it has no {', '.join(missing)}"
    if contract.clock != "time":
        yield "its times count cycles"


def _channel(column: Column, contract: Contract) -> ChannelChecks:
    (low, strict_low), (high, strict_high) = number_limits(column)
    return ChannelChecks(
        name=column.name,
        required=reason("required", column, contract) if column.required else None,
        low=low,
        high=high,
        strict_low=strict_low,
        strict_high=strict_high,
        range=reason("range", column, contract),
        allowed=None if column.allowed is None else np.array([float(each) for each in column.allowed]),
        allowed_reason=None if column.allowed is None else reason("allowed", column, contract),
        multiple_of=column.multiple_of,
        multiple_reason=None if column.multiple_of is None else reason("multiple_of", column, contract),
        max_rate=column.max_rate_per_second,
        rate=None if column.max_rate_per_second is None else reason("rate", column, contract),
    )


def _us(time: Any) -> Any:
    """Return microseconds since 1970; None for no time."""
    return None if time is None else int(time.as_unit("us").asm8.astype(np.int64))
