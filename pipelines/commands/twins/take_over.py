"""Command about who commands the machines: the one workspace, though there are copies of it."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pipelines.cli.arguments import time_or_now
from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    from rich.text import Text


@dataclass(frozen=True)
class TakeOverResult:
    """That machines are commanded from a workspace from now on."""

    workspace: str
    withdrawn: int  # commands that its original had left open

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    def __rich__(self) -> "Text":
        """Render it as a sentence."""
        from rich.text import Text

        left = f" Withdrawn: {self.withdrawn:,} commands that were left open." if self.withdrawn else ""
        return Text(f"Listeners of {self.workspace} publish commands from their next start on.{left}")


def take_over(*, options: Shared = DEFAULTS) -> TakeOverResult:
    """Command the machines from this workspace, which was restored, copied or moved.

    Until then its listeners publish no commands: the original may still be in use. Commands that it had left open are
    withdrawn. Run it once the original commands no longer, then start the listener again.

    Parameters
    ----------
    options : Options
        The workspace and the form of the output.
    """
    from data_contracts.records.records import open_records
    from data_contracts.twin_state.command_switch import commands_home, take_over_commands

    workspace = options.open()
    records = open_records(workspace.records_url)
    withdrawn = take_over_commands(records, commands_home(workspace), time_or_now(None))
    return TakeOverResult(str(workspace.root), withdrawn)
