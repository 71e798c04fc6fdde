"""Commands about models: train, reproduce, list, promote, accept-promise, rollback, shadow, delete."""

import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pipelines.cli.arguments import model_name, settings_of, time_or_now
from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Group
    from rich.text import Text

    from data_contracts.workspace import Workspace


def train(
    experiment: str,
    *,
    override: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    promote: Annotated[bool, Parameter(negative="")] = False,
    strict: Annotated[bool, Parameter(negative="")] = False,
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
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from models.experiment.experiment_file import read_experiment
    from pipelines.jobs.train import train_experiment
    from pipelines.settings.experiment_files import find_experiment
    from pipelines.terminal.progress import bars
    from pipelines.terminal.termination import termination_interrupts

    loaded = read_experiment(find_experiment(experiment), override or [], contracts=options.contracts)
    with termination_interrupts(), bars() as progress:
        workspace, now = options.open(), pd.Timestamp.now("UTC")
        actor = _person() if promote else "forewarn"
        result = train_experiment(
            workspace, loaded.experiment, now=now, actor=actor, insist=promote, strict=strict, progress=progress
        )
        return replace(result, understood=loaded.notes)


def reproduce(version: int, *, model: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Train a registered version again from its tags and compare the predictions, bit for bit.

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
    from pipelines.terminal.progress import bars

    workspace = options.open()
    with bars() as progress:
        return reproduction.reproduce(workspace, model_name(workspace, model), version, progress=progress)


@dataclass(frozen=True)
class VersionList:
    """Registered versions with their metrics and aliases."""

    versions: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return them as plain values."""
        return {"versions": list(self.versions)}

    def __rich__(self) -> "Group":
        """Render one row per version."""
        from pipelines.cli.renderers import versions

        return versions(self.versions)


def listed(*, model: str | None = None, options: Shared = DEFAULTS) -> VersionList:
    """List registered versions, their metrics and aliases.

    Parameters
    ----------
    model : str, optional
        Only the versions of this model.
    options : Options
        The workspace and the form of the output.
    """
    from models.registry.registry import Registry

    registry = Registry(options.open())
    names = registry.names() if model is None else (model,)
    return VersionList(tuple(entry for name in names for entry in registry.versions(name)))


def promote(
    version: int,
    *,
    reason: str,
    model: str | None = None,
    unproven: bool = False,
    refit: Annotated[bool, Parameter(negative="")] = False,
    options: Shared = DEFAULTS,
) -> Any:
    """Make a version the champion, and record it in the ledger.

    It has to load, and to score its golden inputs as it did when it was registered. It is held to the promise of the
    champion before where its own is looser.

    Parameters
    ----------
    version : int
        The version to promote.
    reason : str
        Why; it stays in the ledger.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    unproven : bool
        Accept a version that was registered without golden inputs, provided that it loads.
    refit : bool
        Then fit it once more to all data known by now; the refit takes its place if it behaves alike, else the exit
        status is 1. The champion itself is only refitted.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from data_contracts.records.records import open_records
    from models.registry import promotion
    from models.registry.registry import Registry
    from pipelines.evidence.promise_status import promise_status

    workspace = options.open()
    registry = Registry(workspace)
    name, now = model_name(workspace, model), pd.Timestamp.now("UTC")
    if refit:
        return _promote_and_refit(workspace, name, version, reason, now, unproven=unproven)
    promised = promise_status(workspace, name, version, settings=settings_of(workspace), now=now, hidden=True)
    return promotion.promote(
        registry,
        open_records(workspace.records_url),
        name,
        expected_champion=registry.champion(name),
        to_version=version,
        actor=_person(),
        reason=reason,
        evidence={"promise": promised.to_dict()} if promised.limits else {},
        now=now,
        unproven=unproven,
    )


def _promote_and_refit(
    workspace: "Workspace", name: str, version: int, reason: str, now: "pd.Timestamp", *, unproven: bool
) -> Any:
    from pipelines.retraining.by_hand import promote_and_refit
    from pipelines.terminal.progress import bars
    from pipelines.terminal.termination import termination_interrupts

    settings = settings_of(workspace)
    with termination_interrupts(), bars() as progress:
        return promote_and_refit(
            workspace,
            name,
            version,
            actor=_person(),
            reason=reason,
            now=now,
            settings=settings,
            unproven=unproven,
            progress=progress,
        )


def rollback(*, reason: str, model: str | None = None, unproven: bool = False, options: Shared = DEFAULTS) -> Any:
    """Make the previous champion the champion again, and record it in the ledger.

    It has to load, and to score its golden inputs as it did when it was registered. Nothing is trained. A second
    rollback goes one champion further back.

    Parameters
    ----------
    reason : str
        Why; it stays in the ledger.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    unproven : bool
        Accept a version that was registered without golden inputs, provided that it loads.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from data_contracts.records.records import open_records
    from models.registry import promotion
    from models.registry.registry import Registry

    workspace = options.open()
    return promotion.rollback(
        Registry(workspace),
        open_records(workspace.records_url),
        model_name(workspace, model),
        actor=_person(),
        reason=reason,
        now=pd.Timestamp.now("UTC"),
        unproven=unproven,
    )


@dataclass(frozen=True)
class ShadowResult:
    """Whether a version now scores the endpoint's traffic in the shadow."""

    model_name: str
    version: int
    shadow: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    def __rich__(self) -> "Text":
        """Render it as a sentence."""
        from rich.text import Text

        state = "scores the traffic in the shadow" if self.shadow else "scores no traffic in the shadow"
        return Text(f"{self.model_name}: version {self.version} {state}")


def shadow(
    version: int | None = None,
    *,
    off: Annotated[bool, Parameter(negative="")] = False,
    model: str | None = None,
    now: str | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Let a version score the endpoint's traffic without answering, or report how such versions compare.

    Its predictions are stored under the ids of the champion's. Any number of versions may run in the shadow. Without a
    version, each is compared with what was answered: alerts, disagreements, and error rates as far as outcomes matured.

    Parameters
    ----------
    version : int, optional
        The version; without one, the report.
    off : bool
        Let the version score no longer.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    now : str, optional
        For the report: use nothing known later than this; the present by default.
    options : Options
        The workspace and the form of the output.
    """
    from models.registry.registry import SHADOW, Registry

    workspace = options.open()
    name = model_name(workspace, model)
    if version is None:
        return _shadow_report(workspace, name, now, off=off)
    registry, alias = Registry(workspace), f"{SHADOW}-{version}"
    if off:
        registry.delete_alias(name, alias)
    else:
        registry.set_alias(name, alias, version)
    return ShadowResult(name, version, not off)


def _shadow_report(workspace: "Workspace", name: str, now: str | None, *, off: bool) -> Any:
    from data_contracts.errors import UsageError
    from pipelines.jobs.shadow import report_shadows

    if off:
        raise UsageError("--off without a version", "the version to take out of the shadow", "Name it before --off")
    return report_shadows(workspace, name, now=time_or_now(now), settings=settings_of(workspace))


def accept_promise(
    model: str,
    version: int | None = None,
    *,
    reason: str = "",
    actor: str | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    options: Shared = DEFAULTS,
) -> Any:
    """Hold a version to its own promise although it is looser than the one before, and record who accepted it.

    A new champion is held to the tighter of its own promise and that of the champion before: what a looser promise
    hides, no test would see. Without --dry-run a reason is needed.

    Parameters
    ----------
    model : str
        The model's name.
    version : int, optional
        The version; the champion by default.
    reason : str
        Why; it stays in the records.
    actor : str, optional
        Who accepts it; the user of this terminal by default.
    dry_run : bool
        Only say what would count, and what it would hide.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from pipelines.jobs.accept_promise import accept_own_promise

    workspace = options.open()
    return accept_own_promise(
        workspace,
        model,
        version,
        actor=actor or _person(),
        reason=reason,
        now=pd.Timestamp.now("UTC"),
        settings=settings_of(workspace),
        dry_run=dry_run,
    )


@dataclass(frozen=True)
class DeleteResult:
    """A version that was deleted, or could be."""

    model_name: str
    version: int
    deleted: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    def __rich__(self) -> "Text":
        """Render it as a sentence."""
        from rich.text import Text

        state = "is deleted" if self.deleted else "can be deleted; repeat with --yes to do so, it cannot be undone"
        return Text(f"{self.model_name}: version {self.version} {state}")


def delete(
    version: int,
    *,
    yes: Annotated[bool, Parameter(negative="")] = False,
    model: str | None = None,
    options: Shared = DEFAULTS,
) -> DeleteResult:
    """Delete a version that has no alias; without --yes, only say whether it could be.

    Parameters
    ----------
    version : int
        The version to delete.
    yes : bool
        Really delete it; it cannot be undone.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.records.records import open_records
    from models.registry.promotion import delete_version
    from models.registry.registry import Registry

    workspace = options.open()
    name = model_name(workspace, model)
    delete_version(Registry(workspace), open_records(workspace.records_url), name, version, dry_run=not yes)
    return DeleteResult(name, version, yes)


def _person() -> str:
    return os.environ.get("USER") or os.environ.get("USERNAME") or "command line"
