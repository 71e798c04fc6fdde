"""Commands about data: validate, ingest, data report."""

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


def ingest(
    files: Files,
    /,
    *,
    contract: str,
    layout: Layout = NO_OPTIONS,
    strict: Annotated[bool, Parameter(negative="")] = False,
    options: Shared = DEFAULTS,
) -> Any:
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
    strict : bool
        Exit with status 1 if rows match nothing, or if telemetry shows counters or exchanged machines that nobody
        declared.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from pipelines.cli.arguments import named_contract
    from pipelines.jobs.ingest import ingest_files

    workspace, loaded = options.open(), named_contract(options, contract)
    return ingest_files(workspace, files, loaded, layout.of(loaded), now=pd.Timestamp.now("UTC"), strict=strict)


def report(
    *,
    asset_type: str | None = None,
    horizon: str | None = None,
    html: Path | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Describe what is stored: spans, rates, gaps, channels, failures, clocks, and what to try first.

    Parameters
    ----------
    asset_type : str, optional
        Only the assets of this type; every type with telemetry by default.
    horizon : str, optional
        A horizon to count the cut-offs before failures at, such as ``24h``, beside those that the data suggest.
    html : Path, optional
        Write a page to this file too.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from features.names import parse_duration
    from pipelines.jobs.data_report import describe_data

    span = None if horizon is None else parse_duration(horizon)
    return describe_data(options.open(), asset_type, now=pd.Timestamp.now("UTC"), horizon=span, html=html)
