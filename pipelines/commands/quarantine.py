"""Commands that look after refused rows: list, export, replay."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Group
from rich.text import Text

from data_contracts.contract.contract import load_contract
from data_contracts.errors import UsageError
from data_contracts.ingestion import quarantine
from data_contracts.ingestion.repaired_files import read_repaired
from pipelines.cli.options import DEFAULTS, Shared
from pipelines.cli.renderers import refused
from pipelines.terminal.figures import words


@dataclass(frozen=True)
class QuarantinedRows:
    """Rows that were refused."""

    frame: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Return every row with its reasons."""
        return {"rows": len(self.frame), "refused": self.frame.to_dict("records")}

    def __rich__(self) -> Group:
        """Draw the count of each reason, then the first rows."""
        return refused(self.frame)


@dataclass(frozen=True)
class Exported:
    """Refused rows written to a file."""

    file: Path
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Return where, and how many."""
        return {"file": str(self.file), "rows": self.rows}

    def __rich__(self) -> Text:
        """Say what to do with them."""
        told = (
            f"{self.rows:,} {words('row', self.rows)} written to {self.file}. Mend them there, keep the column entry, "
        )
        return Text(told + f"then `forewarn quarantine replay {self.file} --contract ...`")


def listed(*, contract: str | None = None, batch: str | None = None, options: Shared = DEFAULTS) -> QuarantinedRows:
    """List the rows that were refused, with the reasons.

    Parameters
    ----------
    contract : str, optional
        Only rows refused by this contract: its name, or the path of its file.
    batch : str, optional
        Only rows of this batch.
    options : Options
        Where the state lies and how to answer.
    """
    frame = quarantine.list_rows(options.open())
    held = sorted(set(frame["contract"]))
    name = None if contract is None else contract if contract in held else load_contract(contract).name
    if name is not None:
        frame = frame[frame["contract"] == name]
    if batch is not None:
        # What the list shows of a batch is the begin of its id, and that is enough to name it.
        frame = frame[frame["batch_id"].str.startswith(batch)]
    return QuarantinedRows(frame.reset_index(drop=True))


def export(file: Path, *, contract: str, batch: str | None = None, options: Shared = DEFAULTS) -> Exported:
    """Write refused rows to a file, to be mended.

    Parameters
    ----------
    file : Path
        The CSV or Parquet file to write; it must not exist.
    contract : str
        The contract that refused them.
    batch : str, optional
        Only rows of this batch.
    options : Options
        Where the state lies and how to answer.
    """
    if file.exists():
        raise UsageError(f"{file} exists", "a file that does not exist yet", "Choose another name, or remove it first")
    return Exported(file, quarantine.export(options.open(), load_contract(contract), file, batch=batch))


def replay(file: Path | None = None, *, contract: str, options: Shared = DEFAULTS) -> Any:
    """Check refused rows again and store the good ones.

    Parameters
    ----------
    file : Path, optional
        Mended rows, as `forewarn quarantine export` wrote them; without it the rows are taken as they were refused,
        which helps after a contract was mended.
    contract : str
        The contract that refused them.
    options : Options
        Where the state lies and how to answer.
    """
    agreed = load_contract(contract)
    mended = None if file is None else read_repaired(file)
    return quarantine.replay(options.open(), agreed, now=pd.Timestamp.now("UTC"), repaired=mended)
