"""Commands that check and store a file: validate, ingest."""

from pathlib import Path
from typing import Any

from pipelines.cli.options import DEFAULTS, Shared


def validate(
    file: Path,
    *,
    contract: str,
    time_zone: str | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Check a file against its contract; store nothing.

    Parameters
    ----------
    file : Path
        A CSV or Parquet file.
    contract : str
        The path of an Open Data Contract Standard file, or the name or asset type of a contract of the workspace or a
        shipped one.
    time_zone : str, optional
        The zone of times that name none, such as ``UTC`` or ``Europe/Berlin``.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from data_contracts.validation.checks import check
    from pipelines.cli.arguments import named_contract
    from pipelines.importers.files import read_table

    loaded = named_contract(options, contract)
    return check(read_table(file, loaded, time_zone=time_zone, strict=False), loaded, now=pd.Timestamp.now("UTC"))


def ingest(file: Path, *, contract: str, time_zone: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Check a file and store its good rows; quarantine the rest.

    Ingesting the same file again changes nothing.

    Parameters
    ----------
    file : Path
        A CSV or Parquet file.
    contract : str
        The path of an Open Data Contract Standard file, or the name or asset type of a contract of the workspace or a
        shipped one.
    time_zone : str, optional
        The zone of times that name none, such as ``UTC`` or ``Europe/Berlin``.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from pipelines.cli.arguments import named_contract
    from pipelines.jobs.ingest import ingest_file

    workspace, loaded = options.open(), named_contract(options, contract)
    return ingest_file(workspace, file, loaded, now=pd.Timestamp.now("UTC"), time_zone=time_zone)
