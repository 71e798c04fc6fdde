"""The command that writes an experiment's features into files."""

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from cyclopts import Parameter

from models.experiment.experiment import load_experiment
from pipelines.cli.options import DEFAULTS, Shared
from pipelines.settings.experiment_files import find_experiment
from pipelines.terminal.progress import bars


def features(
    experiment: str,
    *,
    out: Path,
    override: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Write the features of an experiment's samples into a folder of Parquet files.

    The training samples come first, the test samples after them. Columns asset and as_of, then every column that the
    experiment asks for, none selected. Any reader of Parquet takes the folder for one table.

    Parameters
    ----------
    experiment : str
        A TOML file, or the name of an experiment that ships with forewarn: fleet, fleet_horizons, fd001, fd003, azure.
    out : Path
        A new or empty folder.
    override : list[str], optional
        ``key=value``: a value of the file replaced, such as ``--set features.tsfresh=efficient``.
    options : Options
        Where the state lies and how to answer.
    """
    from pipelines.jobs.extraction import extract_features as work

    described = load_experiment(find_experiment(experiment), override or [])
    with bars() as progress:
        return work(options.open(), described, out, now=pd.Timestamp.now("UTC"), progress=progress)
