"""Commands for live telemetry: listen."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipelines.cli.arguments import settings_of
from pipelines.cli.options import DEFAULTS, Shared
from pipelines.terminal.stop_signals import stop_signals

if TYPE_CHECKING:
    from pipelines.live.listening.listen_summary import ListenSummary


def listen(
    *,
    until_idle: str | None = None,
    for_: str | None = None,
    metrics_port: int | None = None,
    follow: bool = True,
    options: Shared = DEFAULTS,
) -> Any:
    """Store telemetry that arrives at the broker, each message once, until interrupted.

    The section [live] of forewarn.toml says where the broker is and which topics carry what. Indicators of what is
    stored are computed, and the fleet is scored by its champions once in each of their strides. SIGTERM and Ctrl-C end
    it after what has arrived is stored.

    With ``partitions`` in [live] the assets are divided among so many processes, on one machine or several: each takes
    one partition, and further ones wait until one is free.

    Parameters
    ----------
    until_idle : str, optional
        End after so long without a message, such as 5s.
    for_ : str, optional
        End after so long, such as 2min.
    metrics_port : int, optional
        The port of /metrics and /readyz; metrics_port of the settings by default, 0 for none.
    follow : bool, optional
        Whether indicators and predictions follow; ``--no-follow`` only stores.
    options : Options
        The workspace and the form of the output.
    """
    from dataclasses import replace

    from pipelines.cli.long_running import run_long

    run_long()
    from pipelines.compute.engine import lasting_engine
    from pipelines.following.followed_listening import listen_and_follow
    from pipelines.live.listening.listen import listen as run
    from pipelines.live.listening.listen_summary import Ending

    workspace = options.open()
    read = settings_of(workspace)
    settings = read.live
    if metrics_port is not None:
        settings = replace(settings, metrics_port=metrics_port)
    ending = Ending(_seconds("--until-idle", until_idle), _seconds("--for", for_))
    with stop_signals() as stopping, _status_line() as report:
        chosen = {"environ": os.environ, "ending": ending, "stopping": stopping, "report": report}
        if not follow:
            return run(workspace, settings, **chosen)
        with lasting_engine(read.compute, workspace) as engine:
            return listen_and_follow(workspace, settings, engine=engine, **chosen)


def _seconds(option: str, text: str | None) -> float | None:
    from data_contracts.errors import UsageError
    from features.names import parse_duration

    if text is None:
        return None
    try:
        return parse_duration(text).total_seconds()
    except UsageError as error:
        raise UsageError(
            f"{option} {text!r} is no duration", "a number and a unit, such as 5s or 2min", "Fix it"
        ) from error


@contextmanager
def _status_line() -> Iterator[Any]:
    """Yield what shows on stderr where a listener is: a line that changes in a terminal, elsewhere one every 10 s."""
    from pipelines.terminal.progress import lines

    if sys.stderr.isatty():
        yield lambda summary: _overwrite(_status(summary))
        sys.stderr.write("\n")
        return
    with lines(sys.stderr) as write:
        yield lambda summary: write(_status(summary), 0, 0)


def _overwrite(words: str) -> None:
    sys.stderr.write(f"\r\x1b[2K{words}")
    sys.stderr.flush()


def _status(summary: "ListenSummary") -> str:
    if summary.partition is None:
        return f"standing by for {summary.standby_seconds:.0f} s: all {summary.partitions} partitions are held"
    words = f"{summary.messages:,} messages, {summary.samples:,} samples stored, {summary.lag_seconds:.1f} s behind"
    if summary.partitions > 1:
        words = f"partition {summary.partition} of {summary.partitions}: {words}"
    if summary.quarantined or summary.undecoded:
        words += f"; in quarantine {summary.quarantined:,} rows, {summary.undecoded:,} messages"
    if gaps := summary.gaps.get("gap", 0):
        words += f"; {gaps:,} gaps"
    if contested := summary.gaps.get("two_edges", 0):
        words += f"; {contested:,} assets of which two edges publish"
    return f"{words}; not stored: {summary.error}" if summary.error else words
