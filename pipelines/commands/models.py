"""Commands about models: train, reproduce, list, promote, rollback, shadow, delete."""

import os
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import pandas as pd
from cyclopts import Parameter
from rich.console import Group
from rich.text import Text

from data_contracts.errors import UsageError, did_you_mean
from data_contracts.records.records import open_records
from models.experiment.experiment import load_experiment
from models.registry.registry import SHADOW, Registry
from pipelines.cli.options import DEFAULTS, Shared
from pipelines.cli.renderers import versions
from pipelines.settings.experiment_files import find_experiment
from pipelines.terminal.progress import bars


def train(
    experiment: str,
    *,
    override: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Train and register the predictor that an experiment describes.

    The first version of a model becomes its champion; later ones have to earn it.

    Parameters
    ----------
    experiment : str
        A TOML file, or the name of an experiment that ships with forewarn: fleet, fleet_horizons, fd001, fd003, azure.
    override : list[str], optional
        ``key=value``: a value of the file replaced, such as ``--set estimator.kind=logistic``.
    options : Options
        Where the state lies and how to answer.
    """
    from pipelines.jobs.train import train as work

    described = load_experiment(find_experiment(experiment), override or [])
    with bars() as progress:
        return work(options.open(), described, now=pd.Timestamp.now("UTC"), progress=progress)


def reproduce(version: int, *, model: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Train a registered version again from its tags and compare the predictions, bit for bit.

    Parameters
    ----------
    version : int
        The version to train again.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    options : Options
        Where the state lies and how to answer.
    """
    from models.registry.reproduce import reproduce as work

    workspace = options.open()
    with bars() as progress:
        return work(workspace, model_name(workspace, model), version, progress=progress)


@dataclass(frozen=True)
class VersionList:
    """Registered versions with their figures and aliases."""

    versions: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return them as plain values."""
        return {"versions": list(self.versions)}

    def __rich__(self) -> Group:
        """Draw a row a version."""
        return versions(self.versions)


def listed(*, model: str | None = None, options: Shared = DEFAULTS) -> VersionList:
    """List registered versions, their figures and aliases.

    Parameters
    ----------
    model : str, optional
        Only the versions of this model.
    options : Options
        Where the state lies and how to answer.
    """
    registry = Registry(options.open())
    names = registry.names() if model is None else (model,)
    return VersionList(tuple(entry for name in names for entry in registry.versions(name)))


def promote(
    version: int, *, reason: str, model: str | None = None, unproven: bool = False, options: Shared = DEFAULTS
) -> Any:
    """Make a version the champion, and write it into the ledger.

    It has to load, and to score its golden inputs as it did when it was registered.

    Parameters
    ----------
    version : int
        The version to promote.
    reason : str
        Why; it stays in the ledger.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    unproven : bool
        Take a version that was registered without golden inputs if only it loads.
    options : Options
        Where the state lies and how to answer.
    """
    from models.registry.promotion import promote as work

    workspace = options.open()
    registry = Registry(workspace)
    name = model_name(workspace, model)
    return work(
        registry,
        open_records(workspace.records_url),
        name,
        expected_champion=registry.champion(name),
        to_version=version,
        actor=_person(),
        reason=reason,
        evidence={},
        now=pd.Timestamp.now("UTC"),
        unproven=unproven,
    )


def rollback(*, reason: str, model: str | None = None, unproven: bool = False, options: Shared = DEFAULTS) -> Any:
    """Make the previous champion the champion again, and write it into the ledger.

    It has to load, and to score its golden inputs as it did when it was registered. Nothing is trained. A second
    rollback goes one champion further back.

    Parameters
    ----------
    reason : str
        Why; it stays in the ledger.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    unproven : bool
        Take a version that was registered without golden inputs if only it loads.
    options : Options
        Where the state lies and how to answer.
    """
    from models.registry.promotion import rollback as work

    workspace = options.open()
    name = model_name(workspace, model)
    records = open_records(workspace.records_url)
    now = pd.Timestamp.now("UTC")
    return work(Registry(workspace), records, name, actor=_person(), reason=reason, now=now, unproven=unproven)


@dataclass(frozen=True)
class ShadowResult:
    """A version that scores the traffic in the shadow, or no longer does."""

    model_name: str
    version: int
    shadow: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    def __rich__(self) -> Text:
        """Draw it in a sentence."""
        told = "scores the traffic in the shadow" if self.shadow else "scores no traffic in the shadow"
        return Text(f"{self.model_name}: version {self.version} {told}")


def shadow(
    version: int,
    *,
    off: Annotated[bool, Parameter(negative="")] = False,
    model: str | None = None,
    options: Shared = DEFAULTS,
) -> ShadowResult:
    """Let a version score what the endpoint is asked, beside the champion and never answered.

    What it says is stored under the identifiers of the answers. Any number of versions may do so at once.

    Parameters
    ----------
    version : int
        The version.
    off : bool
        No longer.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    options : Options
        Where the state lies and how to answer.
    """
    workspace = options.open()
    registry, name, alias = Registry(workspace), model_name(workspace, model), f"{SHADOW}-{version}"
    if off:
        registry.delete_alias(name, alias)
    else:
        registry.set_alias(name, alias, version)
    return ShadowResult(name, version, not off)


@dataclass(frozen=True)
class DeleteResult:
    """A version that was deleted, or would be."""

    model_name: str
    version: int
    deleted: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    def __rich__(self) -> Text:
        """Draw it in a sentence."""
        told = "is deleted" if self.deleted else "can be deleted; say --yes to do so, for it cannot be undone"
        return Text(f"{self.model_name}: version {self.version} {told}")


def delete(
    version: int,
    *,
    yes: Annotated[bool, Parameter(negative="")] = False,
    model: str | None = None,
    options: Shared = DEFAULTS,
) -> DeleteResult:
    """Delete a version that bears no alias; without --yes, only say whether it could be.

    Parameters
    ----------
    version : int
        The version to delete.
    yes : bool
        Delete it indeed; it cannot be undone.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    options : Options
        Where the state lies and how to answer.
    """
    from models.registry.promotion import delete_version

    workspace = options.open()
    name = model_name(workspace, model)
    delete_version(Registry(workspace), open_records(workspace.records_url), name, version, dry_run=not yes)
    return DeleteResult(name, version, yes)


def model_name(workspace: Any, named: str | None) -> str:
    """Settle which model is meant.

    Parameters
    ----------
    workspace : Workspace
        Where the registry is.
    named : str or None
        What the user said.

    Returns
    -------
    str
        The name; the only registered one when the user said nothing.

    Raises
    ------
    UsageError
        If the name is unknown, or none was said and there is not exactly one.
    """
    names = Registry(workspace).names()
    if named in names:
        return str(named)
    if named is None and len(names) == 1:
        return names[0]
    found = f"no model {named}" if named else f"{len(names)} registered models and no --model"
    hint = did_you_mean(named or "", names) or ("Name one with --model" if names else "Train one with `forewarn train`")
    raise UsageError(found, f"one of {', '.join(names) or 'the registered models, of which there is none'}", hint)


def _person() -> str:
    return os.environ.get("USER") or os.environ.get("USERNAME") or "command line"
