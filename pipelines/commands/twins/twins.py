"""Commands about twins: show their states, override and command properties, end overrides, roll back."""

from typing import Any

from pipelines.cli.arguments import person
from pipelines.cli.options import DEFAULTS, Shared
from pipelines.commands.twins.changes import parse_change, present, state_before, write_changes


def listed(*, asset_type: str | None = None, options: Shared = DEFAULTS) -> Any:
    """List the assets with the revisions of their states.

    Parameters
    ----------
    asset_type : str, optional
        Only assets of this type.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.records.records import open_records
    from data_contracts.twin_state.twins import list_twins
    from pipelines.commands.twins.results import TwinList

    workspace = options.open()
    return TwinList(list_twins(workspace, open_records(workspace.records_url), asset_type=asset_type))


def show(asset: str, *, as_of: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Show the state of an asset: each property with its source, its times and what it covers; and what answers for it.

    Parameters
    ----------
    asset : str
        The asset.
    as_of : str, optional
        The state by what was known then; now by default.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.errors import UsageError
    from data_contracts.records.records import open_records
    from data_contracts.twin_state.twins import find_twin, state_of
    from models.cold_start.asset_start import asset_starts
    from models.registry.registry import Registry
    from pipelines.cli.arguments import settings_of, time_or_now
    from pipelines.commands.twins.results import ShownTwin

    workspace, now = options.open(), present()
    at = None if as_of is None else time_or_now(as_of).as_unit("us")
    if at is not None and at > now:
        raise UsageError(f"the future time {at.isoformat()}", "a time up to now", "Leave --as-of out for the present")
    twin = find_twin(workspace, asset)
    state = state_of(workspace, open_records(workspace.records_url), twin, now=now, as_of=at)
    answered = asset_starts(
        workspace,
        Registry(workspace),
        asset,
        twin.asset_type,
        now=now if at is None else at,
        span=settings_of(workspace).retrain.own_baseline,
        plant=twin.plant,
    )
    return ShownTwin(state, answered)


def log(asset: str, *, rejected: bool = False, limit: int = 100, options: Shared = DEFAULTS) -> Any:
    """List what was written about an asset, accepted or rejected, the newest first.

    Parameters
    ----------
    asset : str
        The asset.
    rejected : bool
        Only what was rejected.
    limit : int
        Maximum number of entries.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.errors import UsageError
    from data_contracts.records.records import open_records
    from data_contracts.twin_state.log import read_log
    from data_contracts.twin_state.twins import find_twin
    from pipelines.commands.twins.results import TwinLog

    if limit < 1:
        raise UsageError(f"a limit of {limit} entries", "at least one", "Give a larger --limit")
    workspace = options.open()
    twin, records = find_twin(workspace, asset), open_records(workspace.records_url)
    return TwinLog(asset, read_log(records, twin.asset, rejected=True if rejected else None, limit=limit))


def override(
    asset: str,
    changes: list[str],
    *,
    reason: str,
    expires_in: str | None = None,
    until: str | None = None,
    since: str | None = None,
    if_revision: int | None = None,
    actor: str | None = None,
    dry_run: bool = False,
    options: Shared = DEFAULTS,
) -> Any:
    """Override properties of an asset until a time; all of them, or, if one breaks a rule, none.

    Parameters
    ----------
    asset : str
        The asset.
    changes : list[str]
        The properties with their values, such as ``bearing_temperature=61.5``.
    reason : str
        Why; it stays in the log.
    expires_in : str, optional
        How long the override holds, such as ``8h``.
    until : str, optional
        When the override ends by itself, in place of --expires-in.
    since : str, optional
        From when on it holds; now by default.
    if_revision : int, optional
        Change nothing if the state has another revision by now.
    actor : str, optional
        Who overrides; the user of this machine by default.
    dry_run : bool
        Only show what would change.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.errors import UsageError
    from data_contracts.twin_state.transitions import Change
    from features.names import parse_duration
    from pipelines.cli.arguments import time_or_now

    if (expires_in is None) == (until is None):
        found = "no end of the override" if until is None else "two ends of the override"
        raise UsageError(found, "--expires-in or --until", "Say when it ends, such as --expires-in 8h")
    now = present()
    ends = time_or_now(until).as_unit("us") if expires_in is None else now + parse_duration(expires_in)
    begins = None if since is None else time_or_now(since).as_unit("us")
    pairs = [Change(name, value, ends, begins) for name, value in map(parse_change, changes)]
    return write_changes(options, asset, pairs, reason, now, if_revision, actor, dry_run)


def set_(
    asset: str,
    changes: list[str],
    *,
    reason: str,
    within: str = "10min",
    if_revision: int | None = None,
    actor: str | None = None,
    dry_run: bool = False,
    options: Shared = DEFAULTS,
) -> Any:
    """Command the machine of an asset to set properties that its interface says are writable.

    `forewarn listen` publishes it, with commands = true in the section [live]; `twins show` says what became of it.

    Parameters
    ----------
    asset : str
        The asset.
    changes : list[str]
        The properties with their values, such as ``spindle_speed_limit=4000``.
    reason : str
        Why; it stays in the log.
    within : str
        How long the command may be sent.
    if_revision : int, optional
        Command nothing if the state has another revision by now.
    actor : str, optional
        Who commands it; the user of this machine by default.
    dry_run : bool
        Only show what would be commanded.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.twin_state.transitions import Change
    from features.names import parse_duration

    now = present()
    pairs = [Change(name, value, now + parse_duration(within)) for name, value in map(parse_change, changes)]
    return write_changes(options, asset, pairs, reason, now, if_revision, actor, dry_run, source="command")


def release(
    asset: str,
    properties: list[str],
    *,
    reason: str,
    if_revision: int | None = None,
    actor: str | None = None,
    dry_run: bool = False,
    options: Shared = DEFAULTS,
) -> Any:
    """End overrides before they expire.

    Parameters
    ----------
    asset : str
        The asset.
    properties : list[str]
        The overridden properties.
    reason : str
        Why; it stays in the log.
    if_revision : int, optional
        Change nothing if the state has another revision by now.
    actor : str, optional
        Who ends them; the user of this machine by default.
    dry_run : bool
        Only show what would change.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.twin_state.transitions import Change

    pairs = [Change(name, None) for name in properties]
    return write_changes(options, asset, pairs, reason, present(), if_revision, actor, dry_run)


def rollback(
    asset: str,
    *,
    to: int,
    reason: str,
    if_revision: int | None = None,
    actor: str | None = None,
    dry_run: bool = False,
    options: Shared = DEFAULTS,
) -> Any:
    """Make the overrides of an asset what they were at a revision, as new entries.

    Parameters
    ----------
    asset : str
        The asset.
    to : int
        The revision to go back to.
    reason : str
        Why; it stays in the log.
    if_revision : int, optional
        Change nothing if the state has another revision by now.
    actor : str, optional
        Who rolls back; the user of this machine by default.
    dry_run : bool
        Only show what would change.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.records.records import open_records
    from data_contracts.twin_state.transitions import roll_back
    from data_contracts.twin_state.twins import find_twin
    from pipelines.commands.twins.results import TwinChanged

    workspace, now = options.open(), present()
    twin, records = find_twin(workspace, asset), open_records(workspace.records_url)
    before = state_before(workspace, twin, now)
    written = roll_back(
        records, twin, to, actor=actor or person(), reason=reason, now=now, expected=if_revision, dry_run=dry_run
    )
    return TwinChanged(written, before, dry_run)
