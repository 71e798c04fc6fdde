"""Commands for a workspace that is kept for years: backup, restore, upgrade, prune, forget."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from pipelines.cli.arguments import settings_of, time_or_now
from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    from rich.text import Text

    from data_contracts.records.privacy.forget import Forgetting


@dataclass(frozen=True)
class ForgetResult:
    """Which names were removed, or would be."""

    done: "Forgetting"
    dry_run: bool

    @property
    def exit_status(self) -> int:
        """Return 1 when there was no such name."""
        return int(not self.done.rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the rows that were changed by table."""
        done = self.done
        return {"subject": done.subject, "names": done.names, "changed": dict(done.changed), "dry_run": self.dry_run}

    def __rich__(self) -> "Text":
        """Render it as a sentence."""
        from rich.text import Text

        if not self.done.rows:
            return Text("The records have no such name.")
        rows = ", ".join(f"{rows} in {table}" for table, rows in self.done.changed.items())
        return Text(
            f"{'Would be changed' if self.dry_run else 'Changed'}: rows {rows}. Backups made before keep the names."
        )


def backup(target: Path, *, options: Shared = DEFAULTS) -> Any:
    """Copy the workspace as it is now into a new folder, while others use it.

    Records, registry, models, tables, contracts and settings are all of one moment. Killed half-way it leaves
    ``TARGET.incomplete``, which cannot be restored and is deleted by the next run.

    Parameters
    ----------
    target : Path
        The folder to make; on another disk.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.terminal.progress import bars
    from pipelines.terminal.termination import termination_interrupts
    from pipelines.workspaces.backup import back_up

    workspace = options.open()
    with termination_interrupts(), bars() as progress:
        return back_up(workspace, target, now=time_or_now(None), progress=progress)


def restore(
    source: Path,
    target: Path,
    *,
    records: str | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    options: Shared = DEFAULTS,  # noqa: ARG001 - the form of the output
) -> Any:
    """Restore a workspace from a backup into a new folder, at any place; every file is checked.

    The restored workspace commands no machine and delivers no events: what its original had left open is withdrawn, and
    its listeners and channels send nothing until `forewarn twins take-over`.

    Parameters
    ----------
    source : Path
        A folder that `forewarn backup` made.
    target : Path
        The folder of the restored workspace; new, or empty.
    records : str, optional
        The URL of an empty database for the records, such as postgresql://user@host/plant; a file of the workspace by
        default, wherever they were.
    dry_run : bool
        Only check the backup.
    options : Options
        The form of the output; the workspace does not matter.
    """
    from pipelines.terminal.progress import bars
    from pipelines.terminal.termination import termination_interrupts
    from pipelines.workspaces.restore import restore as restore_backup

    now = time_or_now(None)
    with termination_interrupts(), bars() as progress:
        return restore_backup(source, target, now=now, records=records, dry_run=dry_run, progress=progress)


def upgrade(
    *,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    backup: Path | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Bring a workspace of an earlier version to this one's: layout, records, MLflow's store.

    Stop the endpoint, the schedules and the listener before. Cut off, it goes on where it stopped.

    Parameters
    ----------
    dry_run : bool
        Only say what would be done.
    backup : Path, optional
        Make a backup there first.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.terminal.progress import bars
    from pipelines.workspaces.upgrade import upgrade as upgrade_workspace

    workspace = options.open()
    with bars() as progress:
        return upgrade_workspace(workspace, now=time_or_now(None), dry_run=dry_run, backup=backup, progress=progress)


def forget(
    what: Literal["person", "asset"],
    name: str,
    *,
    actor: str,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    options: Shared = DEFAULTS,
) -> ForgetResult:
    """Remove the name of a person, or of all who changed an asset's twin, from the records.

    The name becomes ``[forgotten]`` in the ledger, decisions, monitor runs, twins' logs and actions by the pages. What
    was decided, when and why stays, and a row tells that names were removed, by whom and when. Tables, reports and
    backups keep what they have. Exit 1 if the records have no such name.

    Parameters
    ----------
    what : str
        person, or asset.
    name : str
        The person's name as it was written, or the asset's.
    actor : str
        Who has it done; for the trace.
    dry_run : bool
        Only count the rows.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.records.privacy.forget import forget_asset, forget_person
    from data_contracts.records.records import open_records

    records = open_records(options.open().records_url)
    remove = forget_person if what == "person" else forget_asset
    return ForgetResult(remove(records, name, at=time_or_now(None), actor=actor, dry_run=dry_run), dry_run)


def prune(*, dry_run: Annotated[bool, Parameter(negative="")] = False, options: Shared = DEFAULTS) -> Any:
    """Delete what the settings keep no longer: rows of the records, trainings, quarantine, files, runs of flows.

    What an alias names, an open outcome or a draw needs stays, whatever its age; so do outcomes, audits, decisions, the
    ledger, registered versions and the rows that they were trained on.

    Parameters
    ----------
    dry_run : bool
        Only count it.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.flows.expiry.expired_runs import prune_all

    workspace = options.open()
    return prune_all(workspace, settings_of(workspace), now=time_or_now(None), dry_run=dry_run)
