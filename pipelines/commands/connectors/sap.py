"""Commands about SAP plant maintenance: send a worklist, read back what was done."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    from pipelines.connectors.run_channels import OutboxRun
    from pipelines.connectors.sap.inbound.pull_result import SapPull
    from pipelines.connectors.sap.planned_work import PlannedWork


@dataclass(frozen=True)
class Notified:
    """What became of the entries of a worklist."""

    work: "PlannedWork"
    run: "OutboxRun"

    @property
    def exit_status(self) -> int:
        """Return 1 if something could not go out."""
        return self.run.exit_status

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"entries": self.work.entries, "new": self.work.new, **self.run.to_dict()}

    def __rich__(self) -> str:
        """Render what was sent, and what each channel did."""
        return f"{self.work.sentence}\n{self.run.__rich__()}"


@dataclass(frozen=True)
class Pulled:
    """What was read of each SAP system."""

    channels: "tuple[SapPull, ...]"

    @property
    def exit_status(self) -> int:
        """Return 1 if a batch was refused as a whole."""
        return max(each.exit_status for each in self.channels)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"channels": [each.to_dict() for each in self.channels]}

    def __rich__(self) -> str:
        """Render a sentence a line."""
        return "\n".join(each.__rich__() for each in self.channels)


def notify(
    worklist: Path,
    *,
    channel: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    options: Shared = DEFAULTS,
) -> Notified:
    """Send the entries of a worklist to SAP as maintenance notifications; exit 1 if one could not go out.

    An entry whose prediction was sent before, or whose machine has an open notification of ours, adds none.

    Parameters
    ----------
    worklist : Path
        A file with the answer of ``POST /worklist``.
    channel : tuple of str, optional
        The channels with a section [sap]; all of them by default.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from pipelines.connectors.run_channels import deliver_all
    from pipelines.connectors.sap.channels import sap_channels
    from pipelines.connectors.sap.planned_work import write_planned_work
    from pipelines.terminal.stop_signals import stop_signals

    workspace = options.open()
    names = tuple(sap_channels(workspace, channel))
    work = write_planned_work(workspace, worklist, names, pd.Timestamp.now("UTC").as_unit("us"))
    with stop_signals() as stopping:
        return Notified(work, deliver_all(workspace, names, stopping=stopping))


def pull(
    channel: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    *,
    since: str | None = None,
    options: Shared = DEFAULTS,
) -> Pulled:
    """Read malfunctions, orders and findings that changed in SAP, and store them as failures and work orders.

    Each run begins shortly before the last change that the run before read; the first one reads all there is. Repeated
    or killed and run again, it stores nothing twice.

    Parameters
    ----------
    channel : tuple of str, optional
        The channels with a section [sap]; all of them by default.
    since : str, optional
        Read what changed since this time once more, such as after the table of codes was extended.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from pipelines.cli.arguments import time_or_now
    from pipelines.connectors.sap.channels import sap_channels
    from pipelines.connectors.sap.inbound.pull import pull_sap

    workspace = options.open()
    begin = None if since is None else time_or_now(since).as_unit("us")
    now = pd.Timestamp.now("UTC").as_unit("us")
    channels = sap_channels(workspace, channel)
    return Pulled(tuple(pull_sap(workspace, name, each, now=now, since=begin) for name, each in channels.items()))
