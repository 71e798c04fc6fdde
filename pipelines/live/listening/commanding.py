"""Commands beside the listener: published and answered as long as it runs, if the settings say so."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pandas as pd

from data_contracts.records.records import BUSY_SECONDS
from data_contracts.records.records_handle import RecordsHandle
from data_contracts.twin_state.command_switch import commands_home, switch_commands
from data_contracts.twin_state.commands import Repeats
from data_contracts.workspace import Workspace
from pipelines.live.listening.broker_of_settings import broker_settings
from pipelines.live.payloads.topics import TopicPattern
from pipelines.live.southbound.command_connection import CommandConnection
from pipelines.live.southbound.command_counts import CommandCounts
from pipelines.live.southbound.command_publisher import CommandPublisher
from pipelines.settings.sections import LiveSettings

_LOGGER = logging.getLogger("forewarn.live")


@contextmanager
def commanding(
    workspace: Workspace,
    settings: LiveSettings,
    environ: Mapping[str, str],
    count: Callable[[str], None],
    *,
    may_publish: Callable[[], None] = lambda: None,
) -> Iterator[CommandCounts | None]:
    """Publish commands during the block; None where they are switched off, or the workspace is a copy of another."""
    records = RecordsHandle(workspace.records_url, BUSY_SECONDS)
    now = pd.Timestamp.now("UTC").as_unit("us")
    published = switch_commands(records.engine(), on=settings.commands, now=now, home=commands_home(workspace))
    if settings.commands and not published:
        _LOGGER.warning(
            "No commands are published: this workspace was copied or restored, and its machines may be commanded from "
            "the original. If they are not, run `forewarn twins take-over` and start the listener again."
        )
    if not published:
        records.close()
        yield None
        return
    commands = TopicPattern("commands", settings.command_topic)
    answers = TopicPattern("acknowledgements", settings.acknowledgement_topic)
    woken = threading.Event()
    connection = CommandConnection(
        broker_settings(settings, environ),
        f"{settings.client_id}-commands",
        answers.subscription(),
        session_s=int(settings.session.total_seconds()),
        wake=woken.set,
    )
    counts = CommandCounts(count)
    repeats = Repeats(settings.command_repeat, settings.command_repeats)
    publisher = CommandPublisher(records, connection, commands, answers, repeats, counts, woken, may_publish)
    publisher.start()
    try:
        yield counts
    finally:
        publisher.stop()
