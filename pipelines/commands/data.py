"""Commands that check and store a file: validate, ingest."""

from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.contract.contract import load_contract
from data_contracts.validation.checks import check
from pipelines.cli.options import DEFAULTS, Shared
from pipelines.importers.files import read_table


def validate(
    file: Path,
    *,
    contract: str,
    time_zone: str | None = None,
    options: Shared = DEFAULTS,  # noqa: ARG001 - how to answer is read by the command line
) -> Any:
    """Check a file against its contract; store nothing.

    Parameters
    ----------
    file : Path
        A CSV or Parquet file.
    contract : str
        The name of a shipped contract, or the path of an Open Data Contract Standard file.
    time_zone : str, optional
        The zone of times that name none, such as ``UTC`` or ``Europe/Berlin``.
    options : Options
        Where the state lies and how to answer.
    """
    agreed = load_contract(contract)
    return check(read_table(file, agreed, time_zone=time_zone, strict=False), agreed, now=pd.Timestamp.now("UTC"))


def ingest(file: Path, *, contract: str, time_zone: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Check a file and store its good rows; quarantine the rest.

    The same file twice leaves the table as once.

    Parameters
    ----------
    file : Path
        A CSV or Parquet file.
    contract : str
        The name of a shipped contract, or the path of an Open Data Contract Standard file.
    time_zone : str, optional
        The zone of times that name none, such as ``UTC`` or ``Europe/Berlin``.
    options : Options
        Where the state lies and how to answer.
    """
    from data_contracts.ingestion.ingest import ingest as take_in

    agreed = load_contract(contract)
    frame = read_table(file, agreed, time_zone=time_zone, strict=False)
    return take_in(options.open(), frame, agreed, now=pd.Timestamp.now("UTC"))
