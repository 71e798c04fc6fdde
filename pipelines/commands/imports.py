"""Commands that bring data into the workspace: public data sets, and a user's own files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from pipelines.cli.file_options import NO_OPTIONS, Layout
from pipelines.cli.options import DEFAULTS, Options, Shared

if TYPE_CHECKING:
    from pipelines.importers.batch import Batch


def cmapss(directory: Path, *, subset: str = "FD001", options: Shared = DEFAULTS) -> Any:
    """Import NASA's turbofan degradation data (C-MAPSS).

    One cycle is one hour of event time. A unit of the test set fails when its true remaining life says so, and that is
    known only then.

    Parameters
    ----------
    directory : Path
        The folder with the original files, such as train_FD001.txt.
    subset : str
        FD001, FD002, FD003 or FD004.
    options : Options
        The workspace, created if it does not exist, and the form of the output.
    """
    from pipelines.importers.cmapss import read_cmapss

    return _store(read_cmapss(directory, subset), options)


def azure_pdm(directory: Path, *, options: Shared = DEFAULTS) -> Any:
    """Import Microsoft's predictive-maintenance sample.

    Parameters
    ----------
    directory : Path
        The folder with PdM_telemetry.csv and its four companions.
    options : Options
        The workspace, created if it does not exist, and the form of the output.
    """
    from pipelines.importers.azure_pdm import read_azure_pdm

    return _store(read_azure_pdm(directory), options)


def files(
    *,
    contract: str,
    telemetry: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="")],
    assets: Path | None = None,
    failures: Path | None = None,
    work_orders: Path | None = None,
    events: Path | None = None,
    layout: Layout = NO_OPTIONS,
    strict: Annotated[bool, Parameter(negative="")] = False,
    options: Shared = DEFAULTS,
) -> Any:
    """Import your own telemetry, failures and work orders from CSV, Parquet or Excel files.

    Parameters
    ----------
    contract : str
        The telemetry's contract: the path of an Open Data Contract Standard file, or the name or asset type of a
        contract that the workspace knows from an earlier import, or of a shipped one.
    telemetry : tuple of Path
        A file, a folder, a pattern such as ``'exports/*.csv'``, or several of them; all their rows are one batch. One
        row per asset and instant: asset, event_time and the channels; known_time and source where you have them.
    assets : Path, optional
        Columns asset, event_time (put into service), asset_type; model, plant, line and status (in_service,
        retired) where you have them.
    failures : Path, optional
        Columns failure_id, asset, event_time, mode (what failed).
    work_orders : Path, optional
        Columns work_order_id, asset, event_time, kind (routine, inspection, corrective); component, finding
        (defect_confirmed, no_fault_found, not_inspected) and prompted_by (alarm, schedule, failure, audit) where
        you have them.
    events : Path, optional
        Columns event_id, asset, event_time, code.
    layout : FileOptions
        How the files are laid out.
    strict : bool
        Exit with status 1 if rows match nothing: assets without telemetry, or ids that are nearly the same; or if
        telemetry shows counters or exchanged machines that nobody declared.
    options : Options
        The workspace, created if it does not exist, and the form of the output.
    """
    from pipelines.cli.arguments import named_contract
    from pipelines.importers.files import read_files

    loaded = named_contract(options, contract)
    batch = read_files(
        loaded,
        telemetry=telemetry,
        assets=assets,
        failures=failures,
        work_orders=work_orders,
        events=events,
        layout=layout.of(loaded),
        contracts=options.contracts,
    )
    return _store(batch, options, strict=strict)


def sql(
    url: str,
    *,
    query: str,
    contract: str,
    watermark: str | None = None,
    name: str | None = None,
    chunk_rows: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 100_000,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    layout: Layout = NO_OPTIONS,
    options: Shared = DEFAULTS,
) -> Any:
    """Import the rows of a query from another database: PostgreSQL with or without TimescaleDB, SQLite and the like.

    With ``--watermark`` a run reads only the rows after the last one imported, and stores them chunk by chunk. Repeated
    or killed and run again, it stores nothing twice. The database is only read.

    Parameters
    ----------
    url : str
        The database's SQLAlchemy URL, such as ``postgresql://reader@historian:5432/plant``. The password is taken from
        FOREWARN_SOURCE_PASSWORD where the URL holds none, and as any program of PostgreSQL finds it.
    query : str
        A SELECT whose columns are those of the contract, under the contract's names or those of ``--rename``.
    contract : str
        The path of an Open Data Contract Standard file, or the name or asset type of a contract of the workspace or a
        shipped one; of telemetry, failures, work orders or the like.
    watermark : str, optional
        The query's column by which its rows grow, such as a running number or the time of insertion. A row that comes
        later with a smaller value or the same one is not seen.
    name : str, optional
        Under which it is kept up to where the rows are imported; by default one that follows from URL, query,
        watermark and contract.
    chunk_rows : int
        About how many rows are read and stored at once, where there is a watermark.
    dry_run : bool
        Only show the columns, about how many rows there are, and the first of them against the contract.
    layout : FileOptions
        How the rows are laid out, as for files.
    options : Options
        The workspace, created if it does not exist, and the form of the output.
    """
    import os

    import pandas as pd

    from data_contracts.sql_source.source_connection import PASSWORD_VARIABLE
    from data_contracts.sql_source.source_query import SourceQuery
    from data_contracts.workspace import init_workspace
    from pipelines.cli.arguments import named_contract
    from pipelines.importers.sql.import_sql import SqlSource, import_sql
    from pipelines.importers.sql.preview import preview_sql

    exists = (options.workspace / "forewarn.toml").exists()
    loaded, now = named_contract(options, contract), pd.Timestamp.now("UTC")
    source = SqlSource(url, SourceQuery(query, watermark), os.environ.get(PASSWORD_VARIABLE))
    if dry_run:
        workspace = options.open() if exists else None
        return preview_sql(workspace, source, loaded, layout.of(loaded), now=now, name=name)
    workspace = options.open() if exists else init_workspace(options.workspace)
    return import_sql(workspace, source, loaded, layout.of(loaded), now=now, name=name, chunk_rows=chunk_rows)


def _store(batch: "Batch", options: Options, *, strict: bool = False) -> Any:
    import pandas as pd

    from pipelines.jobs.data_report import import_and_describe
    from pipelines.terminal.progress import bars

    workspace = options.open_or_create()
    with bars() as progress:
        return import_and_describe(workspace, batch, now=pd.Timestamp.now("UTC"), strict=strict, progress=progress)
