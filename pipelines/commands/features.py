"""The command that writes an experiment's features into files."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from pipelines.cli.arguments import settings_of
from pipelines.cli.options import DEFAULTS, Shared


def features(
    experiment: str,
    *,
    out: Path,
    override: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Write the features of an experiment's samples into a folder of Parquet files.

    The training samples come first, the test samples after them: columns asset and as_of, then every column that the
    experiment names, none selected. Any reader of Parquet can open the folder as one table.

    Parameters
    ----------
    experiment : str
        A TOML file, or the name of one in the current folder, or of a shipped one: fleet, fleet_horizons, fd001, fd003,
        azure.
    out : Path
        A new or empty folder.
    override : list[str], optional
        ``key=value``: a value of the file replaced, such as ``--set features.tsfresh=efficient``.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from models.experiment.experiment_file import load_experiment
    from pipelines.compute.engine import compute_engine
    from pipelines.jobs.extraction import extract_features
    from pipelines.settings.experiment_files import find_experiment
    from pipelines.terminal.progress import bars

    loaded = load_experiment(find_experiment(experiment), override or [], contracts=options.contracts)
    workspace, now = options.open(), pd.Timestamp.now("UTC")
    with compute_engine(settings_of(workspace).compute, workspace) as engine, bars() as progress:
        return extract_features(workspace, loaded, out, now=now, engine=engine, progress=progress)
