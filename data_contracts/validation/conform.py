"""The shape of a batch: its columns, units and types, converted to the contract's.

Only lossless conversions are made (whole numbers to numbers and to texts, any time zone to UTC); anything else is a
failed check: of its row where the rest of the column fits, else of the batch.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.contract.contract_types import Contract
from data_contracts.errors import did_you_mean
from data_contracts.validation.column_types import typed
from data_contracts.validation.report import CheckResult

_WITH_UNIT = re.compile(r"^(?P<name>[^\[\]]*?)\s*\[(?P<unit>[^\[\]]*)\]$")


@dataclass(frozen=True)
class ConformedBatch:
    """A batch in its contract's columns and types, and what does not fit."""

    frame: pd.DataFrame  # the columns that fit, a fresh index; an optional column that is missing has no values
    results: tuple[CheckResult, ...]
    refused: Mapping[str, "pd.Series[Any]"]  # by column, the values of another type as they arrived, by row
    reasons: Mapping[int, tuple[str, ...]]  # by row, why it is refused
    ignored: tuple[str, ...]  # columns that the contract does not have and that were left out
    extra: tuple[str, ...]  # such columns that were not left out

    @property
    def fits(self) -> bool:
        """Return whether the batch as a whole has the contract's shape; single rows may not."""
        return all(result.passed or result.level == "row" for result in self.results)

    def as_arrived(self, rows: "pd.Index[Any]") -> pd.DataFrame:
        """Return some rows with the values that were refused for their type in their places."""
        chosen = self.frame.loc[rows]
        for name, values in self.refused.items():
            here = values.index.intersection(rows)
            if len(here):
                chosen = chosen.assign(**{name: chosen[name].astype(object)})
                chosen.loc[here, name] = values[here]
        return chosen


def conform(
    frame: pd.DataFrame, contract: Contract, *, ignore_extra: bool = False, by_cell: bool = False
) -> ConformedBatch:
    """Convert a batch to the contract's columns and types, and check columns, units and types.

    A unit may be given in a header, as in ``"spindle_vibration [mm/s]"``, or in ``frame.attrs["units"]``. Columns that
    the contract does not have are a breach, unless it or `ignore_extra` says that they are left out. With `by_cell`,
    values of another type are refused by row however many there are.
    """
    names, units = _names_and_units(frame)
    named = frame.set_axis(names, axis="columns").reset_index(drop=True)
    # What is named like the quality of a channel is that, declared or not.
    implicit = tuple(each for each in contract.quality_columns(names) if contract.column(each.name) is None)
    extra = tuple(
        name
        for name in dict.fromkeys(names)
        if contract.column(name) is None and name not in {each.name for each in implicit}
    )
    ignored = extra if ignore_extra or contract.extra_columns == "ignore" else ()
    known = (*contract.columns, *implicit)
    results = [_check_columns(names, [column.name for column in known], contract, ignored)]
    results += _check_units(units, contract)
    columns: dict[str, pd.Series[Any]] = {}
    refused: dict[str, pd.Series[Any]] = {}
    reasons: dict[int, tuple[str, ...]] = {}
    for column in known:
        if names.count(column.name) > 1 or (column.name not in names and column.needed):
            continue
        values = named[column.name] if column.name in names else pd.Series(None, index=named.index, dtype=object)
        # Predictors compute with floats.
        outcome = typed(values, column, exact=column.name in contract.channels, by_cell=by_cell)
        if isinstance(outcome, str):
            results.append(CheckResult("type", column.name, False, outcome, len(named)))
            continue
        columns[column.name] = outcome.converted
        if not len(outcome.refused):
            results.append(CheckResult("type", column.name, True, f"is {column.type}"))
            continue
        refused[column.name] = outcome.refused
        whys = [outcome.reason(value) for value in outcome.refused]
        results.append(CheckResult("type", column.name, False, whys[0], len(whys), "row"))
        for row, why in zip(outcome.refused.index, whys, strict=True):
            reasons[int(row)] = (*reasons.get(int(row), ()), f"type {column.name}: {why}")
    extra = tuple(name for name in extra if name not in ignored)
    return ConformedBatch(pd.DataFrame(columns, index=named.index), tuple(results), refused, reasons, ignored, extra)


def split_unit(header: str) -> tuple[str, str | None]:
    """Split a header into the column's name and its unit; None if it has no unit.

    Examples
    --------
    >>> split_unit("spindle_vibration [mm/s]")
    ('spindle_vibration', 'mm/s')
    """
    match = _WITH_UNIT.match(header)
    return (match["name"], match["unit"]) if match else (header, None)


def _names_and_units(frame: pd.DataFrame) -> tuple[list[str], dict[str, str]]:
    declared: Mapping[str, str] = frame.attrs.get("units", {})
    names, units = [], {name: str(unit) for name, unit in declared.items() if unit is not None}
    for header in frame.columns:
        name, unit = split_unit(str(header))
        names.append(name)
        if unit is not None:
            units[name] = unit
    return names, units


def _check_columns(names: list[str], known: list[str], contract: Contract, ignored: tuple[str, ...]) -> CheckResult:
    missing = [column.name for column in contract.columns if column.needed and column.name not in names]
    problems = [f"{name} is missing" for name in missing]
    for name in dict.fromkeys(names):
        if name in ignored:
            continue
        if name not in known:
            hint = did_you_mean(name, missing or known)
            problems.append(f"{name} is not in the contract. {hint}" if hint else f"{name} is not in the contract")
        elif names.count(name) > 1:
            problems.append(f"{name} occurs {names.count(name)} times")
    kept = f"{len(known)} columns as named"
    kept += f"; left out, as the contract does not have them: {', '.join(ignored)}" if ignored else ""
    return CheckResult("columns", "", not problems, "; ".join(problems) or kept)


def _check_units(units: Mapping[str, str], contract: Contract) -> Iterator[CheckResult]:
    for name, unit in units.items():
        column = contract.column(name)
        if column is not None and column.unit is not None:
            same = _normalise(unit) == _normalise(column.unit)
            detail = f"is in {unit}" if same else f"is in {unit}; the contract demands {column.unit}"
            yield CheckResult("unit", name, same, detail)


def _normalise(unit: str) -> str:
    return unit.replace("°", "deg").replace(" ", "").removeprefix("degrees")
