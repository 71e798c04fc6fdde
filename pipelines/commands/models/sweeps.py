"""The command that searches for a better configuration."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pipelines.cli.arguments import settings_of
from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    import pandas as pd


def sweep(
    experiment: str,
    *,
    trials: int = 60,
    timeout: str | None = None,
    override: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    seed: int | None = None,
    workers: int = 1,
    train: Annotated[bool, Parameter(negative="")] = False,
    out: Path | None = None,
    anew: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    options: Shared = DEFAULTS,
) -> Any:
    """Search for a better configuration of an experiment, on its training data alone.

    Each trial is judged on assets held out of the training period, split by time also on a later time; the test is
    never looked at. Chosen is the simplest trial within one standard error of the best. Killed or out of time, the
    same command goes on with the trials that have ended. The experiment says in [sweep] what is varied.

    Parameters
    ----------
    experiment : str
        A TOML file, or the name of an experiment that ships with forewarn: fleet, fleet_horizons, fd001, fd003, azure.
    trials : int
        How many configurations to try, beside the experiment as it is.
    timeout : str, optional
        How long to search at most, such as 20m or 8h; what has ended by then is chosen from.
    override : list[str], optional
        ``key=value``: a value of the file replaced, such as ``--set sweep.folds=10``.
    seed : int, optional
        The seed of the search; that of the experiment by default.
    workers : int
        How many processes judge trials; [compute] engine = "dask" has its own.
    train : bool
        Train and register what is chosen, and print how far the search was too optimistic about it.
    out : Path, optional
        A new file to write the chosen experiment to, such as ``chosen.toml``.
    anew : bool
        Begin without the trials of the same search that have ended.
    dry_run : bool
        Only print the space and the number of fits.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from models.experiment.experiment_file import load_experiment
    from pipelines.compute.engine import compute_engine
    from pipelines.settings.experiment_files import find_experiment
    from pipelines.sweeps.sweep import SweepConfig, plan_sweep, run_sweep
    from pipelines.terminal.progress import bars
    from pipelines.terminal.termination import termination_interrupts

    loaded = load_experiment(find_experiment(experiment), override or [], contracts=options.contracts)
    limit = None if timeout is None else _timeout(timeout)
    config = SweepConfig(trials, limit, seed, workers, train, out, anew)
    if dry_run:
        return plan_sweep(loaded, config, contracts=options.contracts)
    workspace, now = options.open(), pd.Timestamp.now("UTC")
    engines = compute_engine(settings_of(workspace).compute, workspace)
    with termination_interrupts(), engines as engine, bars() as progress:
        return run_sweep(
            workspace,
            loaded,
            config,
            now=now,
            contracts=options.contracts,
            engine=engine,
            say=_say,
            progress=progress,
        )


def _timeout(text: str) -> "pd.Timedelta":
    from features.names import parse_duration

    # A lone m can only mean minutes here.
    return parse_duration(f"{text}in" if re.fullmatch(r"\d+(\.\d+)?m", text) else text)


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
