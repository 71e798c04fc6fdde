"""Commands about data: validate, ingest, data report."""

from pathlib import Path
from typing import Annotated, Any, Literal

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
    from pipelines.terminal.progress import bars

    workspace, loaded, now = options.open(), named_contract(options, contract), pd.Timestamp.now("UTC")
    with bars() as progress:
        return ingest_files(workspace, files, loaded, layout.of(loaded), now=now, strict=strict, progress=progress)


def report(
    *,
    asset_type: str | None = None,
    horizon: str | None = None,
    html: Path | None = None,
    experiment: Path | None = None,
    target: Literal["failure", "remaining_life", "condition"] = "failure",
    condition: str | None = None,
    threshold: float | None = None,
    direction: Literal["above", "below"] = "above",
    leave_out: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    options: Shared = DEFAULTS,
) -> Any:
    """Describe what is stored: spans, rates, gaps, channels, failures, clocks, and what to try first.

    With ``--experiment tool.toml`` that is written as an experiment to train: window, cut-offs, horizon, features,
    estimator and split as the data suggest.

    Parameters
    ----------
    asset_type : str, optional
        Only the assets of this type; every type with telemetry by default.
    horizon : str, optional
        A horizon to count the cut-offs before failures at, such as ``24h``, beside those that the data suggest; the
        experiment looks so far ahead.
    html : Path, optional
        Write a page to this file too.
    experiment : Path, optional
        Write an experiment to start from to this new file, such as ``pump.toml``.
    target : {"failure", "remaining_life", "condition"}
        What the experiment predicts.
    condition : str, optional
        A channel that measures the condition of an asset, such as its wear. It is no feature of the experiment.
    threshold : float, optional
        The failures are the times when the condition crosses this value, rather than those that were imported.
    direction : {"above", "below"}
        Beyond which side of the threshold an asset has failed.
    leave_out : tuple of str, optional
        Channels that are to be no features, such as one from which the imported failures were read off.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from features.names import parse_duration
    from pipelines.data_reports.outcome_choice import OutcomeChoice
    from pipelines.jobs.data_report import describe_data

    return describe_data(
        options.open(),
        asset_type,
        now=pd.Timestamp.now("UTC"),
        horizon=None if horizon is None else parse_duration(horizon),
        outcome=OutcomeChoice(target, condition, threshold, direction),
        html=html,
        experiment=experiment,
        left_out=leave_out,
    )
