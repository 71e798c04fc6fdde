"""The results of a batch's checks: a report, which raises an error only on request."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from data_contracts.errors import ForewarnError

Level = Literal["row", "batch", "notice"]
_SHOWN = 5


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Parameters
    ----------
    check
        The check, such as ``"range"``.
    column
        The column checked; empty for a check of the whole batch.
    passed
        Whether the data meets the contract.
    detail
        What the contract demands, and what was found if that is known.
    rows
        How many rows fail.
    level
        ``"row"`` if only the failing rows are refused, ``"batch"`` if the whole batch is, ``"notice"`` if nothing is.
    """

    check: str
    column: str
    passed: bool
    detail: str
    rows: int = 0
    level: Level = "batch"

    @property
    def reason(self) -> str:
        """Return why a row, or the batch, is refused that fails the check."""
        return f"{self.check} {self.column}".strip() + f": {self.detail}"


@dataclass(frozen=True)
class Report:
    """The results of all checks of a batch.

    Parameters
    ----------
    contract, version
        The contract's name and version.
    results
        The result of each check.
    n_rows
        The number of rows of the batch.
    """

    contract: str
    version: str
    results: tuple[CheckResult, ...]
    n_rows: int

    @property
    def passed(self) -> bool:
        """Return whether every check passed; False for a report without checks."""
        return bool(self.results) and all(result.passed for result in self.results)

    @property
    def exit_status(self) -> int:
        """Return 1 if a check failed, else 0."""
        return 0 if self.passed else 1

    @property
    def batch_passed(self) -> bool:
        """Return whether the batch can be accepted, possibly without some of its rows."""
        return bool(self.results) and not any(result.level == "batch" for result in self.breaches)

    @property
    def breaches(self) -> tuple[CheckResult, ...]:
        """Return the checks that failed."""
        return tuple(result for result in self.results if not result.passed)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per check: check, column, passed, detail, rows, level."""
        columns = ["check", "column", "passed", "detail", "rows", "level"]
        return pd.DataFrame([asdict(result) for result in self.results], columns=columns)

    def to_dict(self) -> Mapping[str, Any]:
        """Return the report as JSON values: contract, version, rows, passed and checks."""
        return {
            "contract": self.contract,
            "version": self.version,
            "rows": self.n_rows,
            "passed": self.passed,
            "checks": [asdict(result) for result in self.results],
        }

    def raise_if_failed(self) -> None:
        """Raise a `ContractError` that lists the failed checks, if any."""
        if self.passed:
            return
        broken = [f"{result.check} {result.column}".strip() + f": {result.detail}" for result in self.breaches]
        more = f" and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
        raise ContractError(
            f"a batch of {self.n_rows} rows breaks the contract {self.contract} {self.version} "
            f"({'; '.join(broken[:_SHOWN])}{more})",
            "data that meets the contract",
            "Fix the data at its source, or the contract if it demands too much",
            self,
        )


class ContractError(ForewarnError):
    """Data breaks its contract.

    Parameters
    ----------
    found, expected, remedy
        See `ForewarnError`.
    report
        The results of the checks, if they ran.
    """

    def __init__(self, found: str, expected: str, remedy: str, report: Report | None = None) -> None:
        super().__init__(found, expected, remedy)
        self.report = report
