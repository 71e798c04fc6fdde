"""How the commands about twins write what was asked for."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipelines.cli.arguments import person
from pipelines.cli.options import Shared

if TYPE_CHECKING:
    import pandas as pd

    from data_contracts.twin_state.state_types import PropertyState, Twin
    from data_contracts.twin_state.transitions import Source
    from data_contracts.workspace import Workspace


def write_changes(
    options: Shared,
    asset: str,
    changes: Sequence[Any],
    reason: str,
    now: "pd.Timestamp",
    if_revision: int | None,
    actor: str | None,
    dry_run: bool,
    source: "Source" = "manual_override",
) -> Any:
    """Write changes of a twin, and say what was and what is."""
    from data_contracts.records.records import open_records
    from data_contracts.twin_state.transitions import write
    from data_contracts.twin_state.twins import find_twin
    from pipelines.commands.twins.results import TwinChanged

    workspace = options.open()
    twin, records = find_twin(workspace, asset), open_records(workspace.records_url)
    before = state_before(workspace, twin, now)
    who = actor or person()
    written = write(
        records,
        twin,
        changes,
        actor=who,
        reason=reason,
        now=now,
        source=source,
        expected=if_revision,
        dry_run=dry_run,
    )
    return TwinChanged(written, before, dry_run)


def state_before(workspace: "Workspace", twin: "Twin", now: "pd.Timestamp") -> "dict[str, PropertyState]":
    """Return the properties of a twin at present."""
    from data_contracts.records.records import open_records
    from data_contracts.twin_state.twins import state_of

    return dict(state_of(workspace, open_records(workspace.records_url), twin, now=now).properties)


def parse_change(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE; a value is a number, true, false, or else a text."""
    from data_contracts.errors import UsageError

    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise UsageError(f"the change {text!r}", "NAME=VALUE, such as bearing_temperature=61.5", "Write it so")
    try:
        parsed = json.loads(value)
    except ValueError:
        return name.strip(), value.strip()
    return name.strip(), parsed if isinstance(parsed, int | float | bool) else value.strip()


def present() -> "pd.Timestamp":
    """Return the present, in UTC."""
    import pandas as pd

    return pd.Timestamp.now("UTC").as_unit("us")
