"""Commands that train a model, or train a version again."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pipelines.cli.arguments import model_name, person, settings_of, time_or_now
from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    pass


def train(
    experiment: str,
    *,
    override: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    promote: Annotated[bool, Parameter(negative="")] = False,
    strict: Annotated[bool, Parameter(negative="")] = False,
    allow_leak: Annotated[bool, Parameter(negative="")] = False,
    options: Shared = DEFAULTS,
) -> Any:
    """Train and register the predictor that an experiment describes.

    The first version of a model becomes its champion if it beats doing without it and ranks better than chance;
    otherwise it is registered without, and the exit status is 1. Later versions have to earn it.

    Parameters
    ----------
    experiment : str
        A TOML file, or the name of an experiment that ships with forewarn: fleet, fleet_horizons, fd001, fd003, azure.
    override : list[str], optional
        ``key=value``: a value of the file replaced, such as ``--set estimator.kind=logistic``.
    promote : bool
        Make the first version the champion in any case; the ledger says that it was asked for.
    strict : bool
        Exit with status 1 if stored reports match no telemetry.
    allow_leak : bool
        Register a model that leans on what it cannot know all the same; that is written on the version.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from models.experiment.experiment_file import read_experiment
    from pipelines.compute.engine import compute_engine
    from pipelines.jobs.train import train_experiment
    from pipelines.settings.experiment_files import find_experiment
    from pipelines.terminal.progress import bars
    from pipelines.terminal.termination import termination_interrupts

    loaded = read_experiment(find_experiment(experiment), override or [], contracts=options.contracts)
    workspace, now = options.open(), pd.Timestamp.now("UTC")
    engines = compute_engine(settings_of(workspace).compute, workspace)
    with termination_interrupts(), engines as engine, bars() as progress:
        actor = person() if promote or allow_leak else "forewarn"
        result = train_experiment(
            workspace,
            loaded.experiment,
            now=now,
            actor=actor,
            insist=promote,
            strict=strict,
            allow_leak=allow_leak,
            engine=engine,
            progress=progress,
        )
        return replace(result, understood=loaded.notes)


def reproduce(version: int, *, model: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Train a registered version again from its tags and compare the predictions, bit for bit.

    When and whether they were the same is noted with the version, for `forewarn doctor --score`.

    Parameters
    ----------
    version : int
        The version to train again.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    options : Options
        The workspace and the form of the output.
    """
    from models.registry import reproduce as reproduction
    from models.registry.registry import Registry
    from pipelines.compute.engine import compute_engine
    from pipelines.terminal.progress import bars

    workspace = options.open()
    name = model_name(workspace, model)
    with compute_engine(settings_of(workspace).compute, workspace) as engine, bars() as progress:
        result = reproduction.reproduce(workspace, name, version, engine=engine, progress=progress)
    reproduction.note_reproduction(Registry(workspace), result, now=time_or_now(None))
    return result
