"""The command that back-tests rules of retraining."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from pipelines.cli.arguments import model_name, settings_of
from pipelines.cli.options import DEFAULTS, Options, Shared

if TYPE_CHECKING:
    import pandas as pd

    from models.experiment.experiment import Experiment


def backtest(
    experiment: str | None = None,
    *,
    model: str | None = None,
    override: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    start: str | None = None,
    every: str = "14d",
    rule: Annotated[list[str] | None, Parameter(negative="")] = None,
    retraining_cost: float | None = None,
    threshold: float = 0.3,
    change: Annotated[list[str] | None, Parameter(name=["--change", "--changes"], negative="")] = None,
    promotion: Literal["comparison", "direct"] = "comparison",
    asked: Literal["retrain", "hold"] = "retrain",
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    options: Shared = DEFAULTS,
) -> Any:
    """Replay the history under several rules of retraining.

    Reports what each would have cost: missed failures, false alarms, retrainings.

    Parameters
    ----------
    experiment : str, optional
        A TOML file, or the name of an experiment that ships with forewarn; without it, the champion's experiment.
    model : str, optional
        The model whose champion's experiment is taken; not needed while the workspace has only one.
    override : list[str], optional
        ``key=value``: a value of the experiment replaced, such as ``--set windows.stride=24h``.
    start : str, optional
        The first training: a time, or days after the first reading; 90 days by default.
    every : str
        The time between looks.
    rule : list[str], optional
        A rule to compare: ours, refreshes and tests (its parts by themselves), k-of-n, binomial, monthly, always,
        never, adwin, page-hinkley, ddm; all by default. The first one is compared with each of the others.
    retraining_cost : float, optional
        What a retraining costs, promoted or not, in the currency of the experiment's costs; a tenth of a false alarm
        by default.
    threshold : float
        Share of missed failures over which a look counts for k-of-n; for false alarms it is drift.harmful_false.
    change : list[str], optional
        When something changed: a time, or days after the first reading. Adds false retrainings and delays.
    promotion : {"comparison", "direct"}
        Whether a challenger has to win the comparison with the champion, or is promoted as it is; the same for all
        rules.
    asked : {"retrain", "hold"}
        What follows when our rule asks for a person: a retraining, or nothing.
    dry_run : bool
        Only report how many looks and trainings it would take.
    options : Options
        The workspace and the form of the output.
    """
    from features.names import parse_duration
    from pipelines.backtesting.backtest import BacktestConfig, run_backtest
    from pipelines.compute.engine import compute_engine
    from pipelines.terminal.progress import bars

    workspace = options.open()
    config = BacktestConfig(
        start=None if start is None else time_or_days(start),
        every=parse_duration(every),
        rules=tuple(rule or ()),
        retraining_cost=retraining_cost,
        threshold=_share(threshold),
        changes=None if change is None else tuple(map(time_or_days, change)),
        comparison_required=promotion == "comparison",
        person_retrains=asked == "retrain",
    )
    loaded = _experiment(experiment, model, override or [], options)
    settings = settings_of(workspace)
    if dry_run:
        return run_backtest(workspace, loaded, config, settings=settings, dry_run=True)
    with compute_engine(settings.compute, workspace) as engine, bars() as progress:
        return run_backtest(workspace, loaded, config, settings=settings, say=_say, engine=engine, progress=progress)


def _experiment(name: str | None, model: str | None, override: list[str], options: Options) -> "Experiment":
    if name is not None:
        from models.experiment.experiment_file import load_experiment
        from pipelines.settings.experiment_files import find_experiment

        return load_experiment(find_experiment(name), override, contracts=options.contracts)
    from pipelines.evidence.champion import load_champion

    workspace = options.open()
    champion = load_champion(workspace, model_name(workspace, model))
    return champion.experiment.with_overrides(override, contracts=options.contracts)


def time_or_days(text: str) -> "pd.Timestamp | float":
    """Read a time, or a number of days after the first reading."""
    from data_contracts.errors import UsageError
    from pipelines.settings.timestamps import parse_timestamp

    try:
        days = float(text)
    except ValueError:
        return parse_timestamp(text)
    if not 0 <= days < float("inf"):
        raise UsageError(
            f"day {text}",
            "days from 0 on, or a time such as 2025-03-01",
            "Give a number of days, or a time in ISO 8601",
        )
    return days


def _share(threshold: float) -> float:
    from data_contracts.errors import UsageError

    if not 0 <= threshold < 1:
        raise UsageError(f"a threshold of {threshold:g}", "a share from 0 to below 1", "Give another --threshold")
    return threshold


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
