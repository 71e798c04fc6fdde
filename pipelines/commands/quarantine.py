"""Commands about quarantined rows: list, export, replay."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Group
    from rich.text import Text


@dataclass(frozen=True)
class QuarantinedRows:
    """Quarantined rows with their reasons."""

    frame: "pd.DataFrame"

    def to_dict(self) -> dict[str, Any]:
        """Return every row with its reasons."""
        return {"rows": len(self.frame), "refused": self.frame.to_dict("records")}

    def __rich__(self) -> "Group":
        """Render the count of each reason, then the first rows."""
        from pipelines.cli.renderers import refused

        return refused(self.frame)


@dataclass(frozen=True)
class Exported:
    """Quarantined rows written to a file."""

    file: Path
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Return the file and its number of rows."""
        return {"file": str(self.file), "rows": self.rows}

    def __rich__(self) -> "Text":
        """Render it, with what to do next."""
        from rich.text import Text

        from pipelines.terminal.metrics import pluralize

        written = f"{self.rows:,} {pluralize('row', self.rows)} written to {self.file}. "
        next_step = (
            f"Fix them there, keep the column entry, then `forewarn quarantine replay {self.file} --contract ...`"
        )
        return Text(written + next_step)


def listed(*, contract: str | None = None, batch: str | None = None, options: Shared = DEFAULTS) -> QuarantinedRows:
    """List quarantined rows with their reasons.

    Parameters
    ----------
    contract : str, optional
        Only rows that broke this contract: its name, or the path of its file.
    batch : str, optional
        Only rows of this batch.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.ingestion import quarantine
    from pipelines.cli.arguments import named_contract

    frame = quarantine.list_rows(options.open())
    contracts = set(frame["contract"])
    name = None if contract is None else contract if contract in contracts else named_contract(options, contract).name
    if name is not None:
        frame = frame[frame["contract"] == name]
    if batch is not None:
        # The list shows the first characters of a batch's id, which are enough to name it.
        frame = frame[frame["batch_id"].str.startswith(batch)]
    return QuarantinedRows(frame.reset_index(drop=True))


def export(file: Path, *, contract: str, batch: str | None = None, options: Shared = DEFAULTS) -> Exported:
    """Write quarantined rows to a file, so that they can be fixed.

    Parameters
    ----------
    file : Path
        The CSV or Parquet file to write; it must not exist.
    contract : str
        The contract that they broke.
    batch : str, optional
        Only rows of this batch.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.errors import UsageError
    from data_contracts.ingestion import quarantine
    from pipelines.cli.arguments import named_contract

    if file.exists():
        raise UsageError(f"{file} exists", "a file that does not exist yet", "Choose another name, or remove it first")
    return Exported(file, quarantine.export(options.open(), named_contract(options, contract), file, batch=batch))


def replay(file: Path | None = None, *, contract: str, options: Shared = DEFAULTS) -> Any:
    """Check quarantined rows again and store the good ones.

    Parameters
    ----------
    file : Path, optional
        Fixed rows, in the form that `forewarn quarantine export` wrote; without it the rows are taken as they are,
        which helps after the contract was corrected.
    contract : str
        The contract that they broke.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from data_contracts.ingestion import quarantine
    from data_contracts.ingestion.repaired_files import read_repaired
    from pipelines.cli.arguments import named_contract

    loaded = named_contract(options, contract)
    repaired = None if file is None else read_repaired(file)
    return quarantine.replay(options.open(), loaded, now=pd.Timestamp.now("UTC"), repaired=repaired)
