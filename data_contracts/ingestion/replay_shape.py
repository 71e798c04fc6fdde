"""The shape of rows that come back from quarantine: batch by batch, so that one misshapen batch holds up no other.

Rows of several batches that are written to one file share its columns: what one batch had too many, the others have
without a value, and one text among numbers makes texts of them all.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.ingestion.row_serialization import from_texts, to_texts
from data_contracts.validation.conform import conform
from data_contracts.validation.report import CheckResult, ContractError, Report


@dataclass(frozen=True)
class Parted:
    """Rows parted by whether they have the contract's shape.

    Parameters
    ----------
    fit
        The rows that do, with the contract's types, and `entry`.
    reasons
        For every other row, by its entry, why it does not.
    report
        What is wrong with their shape.
    """

    fit: pd.DataFrame
    reasons: Mapping[str, tuple[str, ...]]
    report: Report

    def raise_if_none_fits(self) -> None:
        """Raise an error that names what is wrong, if there are rows and none of them has the contract's shape.

        Raises
        ------
        ContractError
            If so.
        """
        if self.reasons and self.fit.empty:
            said = dict.fromkeys(why for reasons in self.reasons.values() for why in reasons)
            raise ContractError(
                f"rows in quarantine do not have the shape of {self.report.contract} ({'; '.join(list(said)[:5])})",
                "the columns, units and types of the contract",
                "Export them, mend them, and replay the mended file; they stay in quarantine until then",
                self.report,
            )


def part(rows: pd.DataFrame, contract: Contract) -> Parted:
    """Part rows into those with the contract's shape and the others.

    Parameters
    ----------
    rows
        Rows with their `entry` in quarantine.
    contract
        What they have to be.

    Returns
    -------
    Parted
        The rows, parted.
    """
    if not len(rows) or not _breaches(rows, contract):
        return Parted(rows.reset_index(drop=True), {}, Report(contract.name, contract.version, (), len(rows)))
    fit: list[pd.DataFrame] = []
    broken: list[CheckResult] = []
    reasons: dict[str, tuple[str, ...]] = {}
    for _, batch in rows.groupby(rows["entry"].str.rsplit(":", n=2).str[0], sort=False):
        own = _own_columns(batch, contract)
        found = _breaches(own, contract)
        why = tuple(f"{result.check} {result.column}".strip() + f": {result.detail}" for result in found)
        reasons |= dict.fromkeys(batch["entry"].astype(str), why) if found else {}
        broken += found
        fit += [] if found else [own]
    good = pd.concat(fit, ignore_index=True) if fit else rows.iloc[:0].reset_index(drop=True)
    return Parted(good, reasons, Report(contract.name, contract.version, tuple(broken), len(rows)))


def _breaches(rows: pd.DataFrame, contract: Contract) -> list[CheckResult]:
    _, results = conform(rows.drop(columns=["entry", "reasons"], errors="ignore"), contract)
    return [result for result in results if not result.passed]


def _own_columns(batch: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Take away columns that other batches brought, and read the types again."""
    foreign = [name for name in batch.columns if contract.column(str(name)) is None and batch[name].isna().all()]
    typed = from_texts(to_texts(batch.drop(columns=foreign)), contract)
    typed.attrs = dict(batch.attrs)
    return typed
