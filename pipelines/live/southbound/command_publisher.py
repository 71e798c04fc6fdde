"""The thread that publishes commands until they are answered or expire, and records the answers."""

import logging
import threading
from collections.abc import Callable

import pandas as pd

from data_contracts.errors import ForewarnError, UsageError
from data_contracts.records.records_handle import RecordsHandle
from data_contracts.records.twin_records import TwinCommand
from data_contracts.twin_state.command_states import ACKNOWLEDGED, REFUSED
from data_contracts.twin_state.commands import Repeats, due_commands, expire_commands, note_published, record_answer
from pipelines.live.payloads.commands import decode_answer, encode_command
from pipelines.live.payloads.payload_error import PayloadError
from pipelines.live.payloads.topics import TopicPattern
from pipelines.live.southbound.command_connection import ArrivedAnswer, CommandConnection
from pipelines.live.southbound.command_counts import CommandCounts

_TICK_S = 0.5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0
_LOGGER = logging.getLogger("forewarn.commands")


class CommandPublisher(threading.Thread):
    """One a workspace; of the records it alone notes what was published.

    `may_publish` raises a `ForewarnError` where another process does that by now. What was published in that very
    instant has the same identifier as what the other one publishes, and machines carry out one identifier once.
    """

    def __init__(
        self,
        records: RecordsHandle,
        connection: CommandConnection,
        commands: TopicPattern,
        answers: TopicPattern,
        repeats: Repeats,
        counts: CommandCounts,
        woken: threading.Event,
        may_publish: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name="commands", daemon=True)
        self._records, self._connection, self._counts, self._woken = records, connection, counts, woken
        self._topics, self._answers, self._repeats = commands, answers, repeats
        self._may_publish = may_publish
        self._stopping = threading.Event()
        self._unsendable: set[str] = set()
        self._unrecorded: list[ArrivedAnswer] = []

    def stop(self) -> None:
        """End the thread once what has arrived is recorded."""
        self._stopping.set()
        self._woken.set()
        self.join()

    def run(self) -> None:
        """Publish and record until stopped; what fails is tried again."""
        pause = _FIRST_PAUSE_S
        while True:
            ending = self._stopping.is_set()
            try:
                self._record_answers()
                if not ending:
                    self._publish_due()
                wait, pause = _TICK_S, _FIRST_PAUSE_S
            except ForewarnError as error:
                self._counts.problem = error.found
                wait, pause = pause, min(2 * pause, _LONGEST_PAUSE_S)
            except Exception as error:  # telemetry goes on, and so must what is left of commands
                _LOGGER.exception("commands cannot be published")
                self._counts.problem = f"{type(error).__name__}: {error}"
                wait, pause = pause, min(2 * pause, _LONGEST_PAUSE_S)
            if ending:
                break
            self._woken.wait(wait)
            self._woken.clear()
        self._connection.close()
        self._records.close()

    def _publish_due(self) -> None:
        self._may_publish()
        if not self._connection.is_open:
            self._connection.open()
        if expired := expire_commands(self._records.engine(), _now()):
            self._counts.add("expired", expired)
        for command in due_commands(self._records.engine(), _now()):
            if command.command_id not in self._unsendable and not self._publish(command):
                return
        self._counts.problem = ""

    def _publish(self, command: TwinCommand) -> bool:
        """Publish one, and note it; return False if the connection is gone."""
        try:
            topic, answer_topic = _topic(self._topics, command), _topic(self._answers, command)
            payload = encode_command(command)
        except (UsageError, TypeError) as error:  # a name that is no level of a topic, a number beyond 64 bits
            self._unsendable.add(command.command_id)
            self._counts.add("unsendable")
            why = error.found if isinstance(error, UsageError) else str(error)
            self._warn(f"{command.asset}: the command about {command.property} cannot be sent ({why})")
            return True
        now = _now()
        left = (command.expires_at - now).total_seconds()
        if left <= 0:  # while those before it were published
            return True
        published = self._connection.publish(
            topic,
            payload,
            command_id=command.command_id,
            answer_topic=answer_topic,
            expires_s=int(left),
        )
        if published:
            note_published(self._records.engine(), command, self._repeats, now)
            self._counts.add("published")
        return published

    def _record_answers(self) -> None:
        """Record what has arrived, in order; what cannot be stored now is kept here, and at the broker."""
        self._unrecorded += self._connection.answers()
        while self._unrecorded:
            self._record(self._unrecorded[0])
            self._connection.acknowledge(self._unrecorded.pop(0))

    def _record(self, arrived: ArrivedAnswer) -> None:
        match = self._answers.match(arrived.topic)
        asset = "" if match is None else match.asset
        try:
            answer = decode_answer(arrived.payload, arrived.correlation)
        except PayloadError as error:
            self._counts.add("unreadable")
            self._warn(f"{arrived.topic}: {error.found}; expected {error.expected}")
            return
        outcome = record_answer(
            self._records.engine(), asset, answer.command_id, accepted=answer.accepted, words=answer.reason, now=_now()
        )
        self._counts.add((ACKNOWLEDGED if answer.accepted else REFUSED) if outcome == "recorded" else outcome)
        if outcome == "unknown":
            self._warn(f"{asset} answered the command {answer.command_id[:80]!r}, which it was never given")

    def _warn(self, words: str) -> None:
        self._counts.strange.append(words)
        _LOGGER.warning("%s", words)


def _topic(pattern: TopicPattern, command: TwinCommand) -> str:
    if "{plant}" not in pattern.pattern:
        return pattern.topic(asset=command.asset)
    return pattern.topic(asset=command.asset, plant=command.plant or "")


def _now() -> pd.Timestamp:
    return pd.Timestamp.now("UTC").as_unit("us")
