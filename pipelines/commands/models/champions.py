"""Commands that change the champion: promote, rollback."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pipelines.cli.arguments import model_name, person, settings_of
from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    import pandas as pd

    from data_contracts.workspace import Workspace


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
    from models.registry.promise_status import promise_status
    from models.registry.registry import Registry

    workspace = options.open()
    registry = Registry(workspace)
    name, now = model_name(workspace, model), pd.Timestamp.now("UTC")
    if refit:
        return _promote_and_refit(workspace, name, version, reason, now, unproven=unproven)
    promised = promise_status(workspace, name, version, budget=settings_of(workspace).drift, now=now, hidden=True)
    return promotion.promote(
        registry,
        open_records(workspace.records_url),
        name,
        expected_champion=registry.champion(name),
        to_version=version,
        actor=person(),
        reason=reason,
        evidence={"promise": promised.to_dict()} if promised.limits else {},
        now=now,
        unproven=unproven,
    )


def _promote_and_refit(
    workspace: "Workspace", name: str, version: int, reason: str, now: "pd.Timestamp", *, unproven: bool
) -> Any:
    from pipelines.compute.engine import compute_engine
    from pipelines.retraining.by_hand import promote_and_refit
    from pipelines.terminal.progress import bars
    from pipelines.terminal.termination import termination_interrupts

    settings = settings_of(workspace)
    engines = compute_engine(settings.compute, workspace)
    with termination_interrupts(), engines as engine, bars() as progress:
        return promote_and_refit(
            workspace,
            name,
            version,
            actor=person(),
            reason=reason,
            now=now,
            settings=settings,
            unproven=unproven,
            engine=engine,
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
        actor=person(),
        reason=reason,
        now=pd.Timestamp.now("UTC"),
        unproven=unproven,
    )
