"""The command that accepts a looser promise."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pipelines.cli.arguments import person, settings_of
from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    pass


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
        actor=actor or person(),
        reason=reason,
        now=pd.Timestamp.now("UTC"),
        settings=settings_of(workspace),
        dry_run=dry_run,
    )
