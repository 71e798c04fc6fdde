"""Which replayed rows have the contract's shape, batch by batch, so that one misshapen batch does not block the others.

Rows of several batches in one file share its columns: a column that only one batch had is empty for the others, and one
text among numbers makes the whole column texts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.ingestion.row_serialization import from_texts, to_texts
from data_contracts.validation.conform import conform
from data_contracts.validation.report import CheckResult, ContractError, Report


@dataclass(frozen=True)
class ShapeSplit:
    """Rows with and without the contract's shape."""

    fitting: pd.DataFrame  # rows with the shape, with the contract's types, and `entry`
    reasons: Mapping[str, tuple[str, ...]]  # by entry, why a row does not have the shape
    report: Report

    def raise_if_none_fits(self) -> None:
        """Raise a `ContractError` if there are rows and none of them has the contract's shape."""
        if self.reasons and self.fitting.empty:
            distinct = dict.fromkeys(why for reasons in self.reasons.values() for why in reasons)
            raise ContractError(
                f"rows in quarantine do not have the shape of {self.report.contract} ({'; '.join(list(distinct)[:5])})",
                "the columns, units and types of the contract",
                "Export them, repair them, and replay the file; they stay in quarantine until then",
                self.report,
            )


def split_by_shape(rows: pd.DataFrame, contract: Contract) -> ShapeSplit:
    """Split rows, with their `entry` in quarantine, by whether they have the contract's shape."""
    if not len(rows) or not _breaches(rows, contract):
        return ShapeSplit(rows.reset_index(drop=True), {}, Report(contract.name, contract.version, (), len(rows)))
    fitting: list[pd.DataFrame] = []
    failed: list[CheckResult] = []
    reasons: dict[str, tuple[str, ...]] = {}
    for _, batch in rows.groupby(rows["entry"].str.rsplit(":", n=2).str[0], sort=False):
        own = _own_columns(batch, contract)
        breaches = _breaches(own, contract)
        if breaches:
            why = tuple(f"{result.check} {result.column}".strip() + f": {result.detail}" for result in breaches)
            reasons |= dict.fromkeys(batch["entry"].astype(str), why)
            failed += breaches
        else:
            fitting.append(own)
    good = pd.concat(fitting, ignore_index=True) if fitting else rows.iloc[:0].reset_index(drop=True)
    return ShapeSplit(good, reasons, Report(contract.name, contract.version, tuple(failed), len(rows)))


def _breaches(rows: pd.DataFrame, contract: Contract) -> list[CheckResult]:
    batch = conform(rows.drop(columns=["entry", "reasons"], errors="ignore"), contract, by_cell=True)
    return [result for result in batch.results if not result.passed and result.level == "batch"]


def _own_columns(batch: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Drop the columns of other batches, and read the types again."""
    foreign = [name for name in batch.columns if contract.column(str(name)) is None and batch[name].isna().all()]
    typed = from_texts(to_texts(batch.drop(columns=foreign)), contract)
    typed.attrs = dict(batch.attrs)
    return typed
