"""What the checks of a batch found: a report first, and only on request an error."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from data_contracts.errors import ForewarnError

_SHOWN = 5


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Parameters
    ----------
    check
        The check, such as ``"range"``.
    column
        The column it looked at; empty if it looked at the whole batch.
    passed
        Whether the data are as the contract demands.
    detail
        What was found and what was expected.
    rows
        How many rows break it.
    level
        ``"row"`` if only those rows are refused, ``"batch"`` if the whole batch is.
    """

    check: str
    column: str
    passed: bool
    detail: str
    rows: int = 0
    level: Literal["row", "batch"] = "batch"


@dataclass(frozen=True)
class Report:
    """What all checks of a batch found.

    Parameters
    ----------
    contract, version
        The contract's name and version.
    results
        What each check found.
    n_rows
        How many rows the batch has.
    """

    contract: str
    version: str
    results: tuple[CheckResult, ...]
    n_rows: int

    @property
    def passed(self) -> bool:
        """Return whether every check passed; a report without checks has not."""
        return bool(self.results) and all(result.passed for result in self.results)

    @property
    def exit_status(self) -> int:
        """Return 1 when the answer is no: a check failed."""
        return 0 if self.passed else 1

    @property
    def batch_passed(self) -> bool:
        """Return whether the batch can be accepted, be it without some of its rows."""
        return bool(self.results) and not any(result.level == "batch" for result in self.breaches)

    @property
    def breaches(self) -> tuple[CheckResult, ...]:
        """Return the checks that failed."""
        return tuple(result for result in self.results if not result.passed)

    def to_frame(self) -> pd.DataFrame:
        """List the checks.

        Returns
        -------
        pandas.DataFrame
            One row a check: check, column, passed, detail, rows, level.
        """
        columns = ["check", "column", "passed", "detail", "rows", "level"]
        return pd.DataFrame([asdict(result) for result in self.results], columns=columns)

    def to_dict(self) -> Mapping[str, Any]:
        """Make JSON values of the report.

        Returns
        -------
        dict
            The contract, its version, the number of rows, whether it passed, and the checks.
        """
        return {
            "contract": self.contract,
            "version": self.version,
            "rows": self.n_rows,
            "passed": self.passed,
            "checks": [asdict(result) for result in self.results],
        }

    def raise_if_failed(self) -> None:
        """Raise an error that names what is broken, if anything is.

        Raises
        ------
        ContractError
            If a check failed.
        """
        if self.passed:
            return
        broken = [f"{result.check} {result.column}".strip() + f": {result.detail}" for result in self.breaches]
        more = f" and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
        raise ContractError(
            f"a batch of {self.n_rows} rows breaks the contract {self.contract} {self.version} "
            f"({'; '.join(broken[:_SHOWN])}{more})",
            "data as the contract demands",
            "Mend the data at its source, or the contract if it demands too much",
            self,
        )


class ContractError(ForewarnError):
    """Data breaks its contract.

    Parameters
    ----------
    found, expected, remedy
        As for every error.
    report
        The checks that ran, if it came to that.
    """

    def __init__(self, found: str, expected: str, remedy: str, report: Report | None = None) -> None:
        super().__init__(found, expected, remedy)
        self.report = report
