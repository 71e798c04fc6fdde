"""Commands that check and store files: validate, ingest."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from pipelines.cli.file_options import NO_OPTIONS, Layout
from pipelines.cli.options import DEFAULTS, Shared

Files = Annotated[tuple[Path, ...], Parameter(negative="")]


def validate(files: Files, /, *, contract: str, layout: Layout = NO_OPTIONS, options: Shared = DEFAULTS) -> Any:
    """Check a file against its contract; store nothing.

    Parameters
    ----------
    files : tuple of Path
        A file, a folder or a pattern; of several all rows are one batch.
    contract : str
        The path of an Open Data Contract Standard file, or the name or asset type of a contract of the workspace or a
        shipped one.
    layout : FileOptions
        How the files are laid out.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from pipelines.cli.arguments import named_contract
    from pipelines.jobs.ingest import check_files

    loaded = named_contract(options, contract)
    return check_files(files, loaded, layout.of(loaded), now=pd.Timestamp.now("UTC"))


def ingest(files: Files, /, *, contract: str, layout: Layout = NO_OPTIONS, options: Shared = DEFAULTS) -> Any:
    """Check a file and store its good rows; quarantine the rest.

    Ingesting the same file again changes nothing.

    Parameters
    ----------
    files : tuple of Path
        A file, a folder or a pattern; of several all rows are one batch.
    contract : str
        The path of an Open Data Contract Standard file, or the name or asset type of a contract of the workspace or a
        shipped one.
    layout : FileOptions
        How the files are laid out.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from pipelines.cli.arguments import named_contract
    from pipelines.jobs.ingest import ingest_files

    workspace, loaded = options.open(), named_contract(options, contract)
    return ingest_files(workspace, files, loaded, layout.of(loaded), now=pd.Timestamp.now("UTC"))
