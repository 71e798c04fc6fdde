"""Command about who commands the machines and tells the world: the one workspace, though there are copies of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pipelines.cli.arguments import time_or_now
from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    from rich.text import Text


@dataclass(frozen=True)
class TakeOverResult:
    """That machines are commanded from a workspace, and its channels deliver, from now on."""

    workspace: str
    withdrawn: int  # commands that its original had left open
    set_aside: Mapping[str, int]  # events that it had left open, by channel that it is to deliver by

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    def __rich__(self) -> "Text":
        """Render it as a sentence."""
        from rich.text import Text

        left = f" Withdrawn: {self.withdrawn:,} commands that were left open." if self.withdrawn else ""
        channels = "".join(f" {self._channel(name, count)}" for name, count in self.set_aside.items())
        return Text(f"Listeners of {self.workspace} publish commands from their next start on.{left}{channels}")

    def _channel(self, name: str, count: int) -> str:
        again = f"; {count:,} events that waited are dead letters: `forewarn outbox replay {name}` sends them"
        return f"{name} delivers what happens from now on{again if count else ''}."


def take_over(*, options: Shared = DEFAULTS) -> TakeOverResult:
    """Command the machines, and deliver events, from this workspace, which was restored, copied or moved.

    Until then its listeners publish no commands, and its channels deliver nothing: the original may still be in use.
    Commands that it had left open are withdrawn; events are dead letters, which `forewarn outbox replay` sends if the
    original has not. Run it once the original is out of use, then start the listener again.

    Parameters
    ----------
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.records.records import open_records
    from data_contracts.twin_state.command_switch import commands_home, take_over_commands
    from pipelines.connectors.run_channels import take_over as take_over_outbox

    workspace = options.open()
    records = open_records(workspace.records_url)
    set_aside = take_over_outbox(workspace)  # first, as the file of a channel may be wrong
    withdrawn = take_over_commands(records, commands_home(workspace), time_or_now(None))
    return TakeOverResult(str(workspace.root), withdrawn, set_aside)
