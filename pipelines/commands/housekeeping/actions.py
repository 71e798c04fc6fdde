"""Commands about actions: who changed what by the endpoint's pages."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from pipelines.cli.arguments import time_or_now
from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table
    from rich.text import Text

_MOST_LISTED = 100
_SEE_OTHER = 303


@dataclass(frozen=True)
class ListedActions:
    """Actions, the latest first."""

    frame: "pd.DataFrame"

    def to_dict(self) -> dict[str, Any]:
        """Return every action."""
        frame = self.frame.drop(columns="id").astype(object)
        return {"actions": frame.where(frame.notna(), None).to_dict("records")}

    def __rich__(self) -> "Table | Text":
        """Render a line for each."""
        from rich.table import Table
        from rich.text import Text

        if self.frame.empty:
            return Text("No such actions.")
        table = Table("at", "who", "action", "about", "outcome", "request", box=None, header_style="bold")
        for row in self.to_dict()["actions"]:
            ended = row["outcome"] if row["status"] in (0, _SEE_OTHER) else f"{row['outcome']} ({row['status']})"
            cells = (f"{row['at']:%Y-%m-%d %H:%M:%S}", row["actor"], row["action"], row["subject"] or "", ended)
            table.add_row(*map(Text, (*cells, row["request_id"])))
        return table


def listed(
    *,
    actor: str | None = None,
    action: str | None = None,
    about: str | None = None,
    since: str | None = None,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1))] = _MOST_LISTED,
    options: Shared = DEFAULTS,
) -> ListedActions:
    """List who changed what by the endpoint's pages, or tried to, the latest first.

    Parameters
    ----------
    actor : str, optional
        Only what this person did, by the name of the token, or as the proxy names people who sign in there.
    action : str, optional
        Only actions of this kind, such as ``sign-in``.
    about : str, optional
        Only what was about this, such as an asset.
    since : str, optional
        Only from this time on.
    limit : int, optional
        So many at most.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.records.access.page_actions import list_actions
    from data_contracts.records.records import open_records

    begins = None if since is None else time_or_now(since).as_unit("us")
    records = open_records(options.open().records_url)
    return ListedActions(list_actions(records, actor=actor, action=action, subject=about, since=begins, limit=limit))
