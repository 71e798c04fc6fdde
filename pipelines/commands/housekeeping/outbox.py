"""Commands about the outbox: list, replay, deliver."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter, validators

from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Group
    from rich.text import Text

_MOST_LISTED = 100


@dataclass(frozen=True)
class ListedEvents:
    """Events with what became of each by a channel."""

    channel: str
    frame: "pd.DataFrame"

    def to_dict(self) -> dict[str, Any]:
        """Return every event."""
        return {"channel": self.channel, "events": self.frame.to_dict("records")}

    def __rich__(self) -> "Group | Text":
        """Render a line for each event, the latest first."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        if self.frame.empty:
            return Text("No such events.")
        table = Table("number", "event", "about", "at", "state", "attempts", "problem", box=None)
        for row in self.frame.to_dict("records"):
            at, problem = f"{row['at']:%Y-%m-%d %H:%M:%S}", row["problem"] or ""
            table.add_row(*map(Text, (str(row["id"]), row["kind"], row["subject"], at, row["state"])),
                          str(row["attempts"]), Text(problem))  # fmt: skip
        return Group(table)


@dataclass(frozen=True)
class Replayed:
    """Dead letters that go out again."""

    channel: str
    events: int

    @property
    def exit_status(self) -> int:
        """Return 1 when there were none."""
        return int(not self.events)

    def to_dict(self) -> dict[str, Any]:
        """Return how many."""
        return {"channel": self.channel, "replayed": self.events}

    def __rich__(self) -> "Text":
        """Render it as a sentence."""
        from rich.text import Text

        if not self.events:
            return Text(f"No dead letters of {self.channel}.")
        return Text(f"{self.events:,} dead letters of {self.channel} go out again with the next delivery.")


def listed(
    channel: str,
    *,
    state: Literal["waiting", "retrying", "delivered", "dead", "silenced"] | None = None,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1))] = _MOST_LISTED,
    options: Shared = DEFAULTS,
) -> ListedEvents:
    """List events and what became of each by a channel, the latest first.

    Parameters
    ----------
    channel : str
        The channel: the name of its file in the workspace's folder channels.
    state : str, optional
        Only those that wait, are tried again, were delivered, are dead letters, or were not sent as they were silenced.
    limit : int, optional
        So many at most.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.records.outbox.outbox import outbox_frame
    from data_contracts.records.records import open_records
    from pipelines.connectors.channel_settings import read_channel

    workspace = options.open()
    read_channel(workspace.root, channel)
    return ListedEvents(channel, outbox_frame(open_records(workspace.records_url), channel, state=state, limit=limit))


def replay(
    channel: str,
    *,
    number: Annotated[tuple[int, ...], Parameter(negative="")] = (),
    options: Shared = DEFAULTS,
) -> Replayed:
    """Have a channel's dead letters go out again with the next delivery; exit 1 if there are none.

    They keep their ids, by which a receiver knows those it has.

    Parameters
    ----------
    channel : str
        The channel.
    number : tuple of int, optional
        Only the events of these numbers; repeat it for several.
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.records.outbox.outbox import replay_events
    from data_contracts.records.records import open_records
    from pipelines.connectors.channel_settings import read_channel

    workspace = options.open()
    read_channel(workspace.root, channel)
    return Replayed(channel, replay_events(open_records(workspace.records_url), channel, number or None))


def deliver(
    channel: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    *,
    follow: Annotated[bool, Parameter(negative="")] = False,
    options: Shared = DEFAULTS,
) -> Any:
    """Send the events that wait, by all channels or some; exit 1 if one could not go out.

    Parameters
    ----------
    channel : tuple of str, optional
        The channels; all of them by default.
    follow : bool, optional
        Go on until interrupted, and send what is written meanwhile.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.cli.long_running import run_long

    if follow:
        run_long()
    from pipelines.connectors.follow_channels import follow_outbox
    from pipelines.connectors.run_channels import deliver_all
    from pipelines.terminal.stop_signals import stop_signals

    workspace = options.open()
    with stop_signals() as stopping:
        run = follow_outbox if follow else deliver_all
        return run(workspace, channel or None, stopping=stopping)
