"""The addresses of people, which Apprise knows how to reach."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_contracts.errors import UsageError
from data_contracts.records.outbox.outbox import Due
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.outbox.reached_addresses import note_reached, reached_addresses
from pipelines.connectors.channel_settings import MessageSection, read_lines
from pipelines.connectors.deliver import Records
from pipelines.connectors.messages.wording import Message

_MOST_WORDS = 200


@dataclass(frozen=True)
class Address:
    """One line of the file."""

    key: str  # tells it from others, and not where it is
    line: int  # from 1
    service: str  # in Apprise's words
    apprise: Any = field(repr=False)

    def send(self, message: Message) -> str:
        """Send a message; return what went wrong, or nothing."""
        import apprise

        with apprise.LogCapture(level=apprise.logging.WARNING, fmt="%(message)s") as log:
            sent = self.apprise.notify(title=message.title, body=message.body, body_format=apprise.NotifyFormat.TEXT)
            lines = log.getvalue().strip().splitlines()
        return "" if sent else f"line {self.line} ({self.service}): {lines[-1][:_MOST_WORDS] if lines else 'not sent'}"


@dataclass(frozen=True)
class Addresses:
    """Everybody that a channel tells."""

    addresses: tuple[Address, ...]

    def send(
        self,
        records: Records,
        channel: str,
        waiting: Sequence[Due],
        write: Callable[[Sequence[OutboxEvent]], Message],
    ) -> str:
        """Send to each address what it does not have yet, as one message; return what went wrong, or nothing.

        That an address has it is noted at once, so that no other attempt, by whichever process, sends it again.
        """
        reached, problems = reached_addresses(records, channel, [due.number for due in waiting]), []
        for address in self.addresses:
            new = [due for due in waiting if address.key not in reached[due.number]]
            if not new:
                continue
            if problem := address.send(write([due.event for due in new])):
                problems.append(problem)
            else:
                note_reached(records, channel, [due.number for due in new], address.key)
        return "; ".join(problems)


def open_addresses(section: MessageSection, root: Path) -> Addresses:
    """Read the file of addresses; `UsageError` names the line that is none, but does not show it."""
    apprise = _import_apprise()
    # Nothing is fetched from, or shown of, Apprise's own site; one thread, so that what is logged is of one address.
    asset = apprise.AppriseAsset(
        app_id="forewarn", app_desc="forewarn", app_url="", image_url_mask="", image_path_mask="", async_mode=False
    )
    file, addresses = root / section.urls_file, []
    for number, line in enumerate(read_lines(section.urls_file, root), start=1):
        url = line.strip()
        if url and not url.startswith("#"):
            one = apprise.Apprise(asset=asset)
            if not one.add(url):
                raise UsageError(
                    f"line {number} of {file} is no address that Apprise {apprise.__version__} knows",
                    'one such as "mailto://user:password@host/?to=shift@plant.example"',
                    "See Apprise's documentation of services",
                )
            key = hashlib.sha256(url.encode()).hexdigest()
            addresses.append(Address(key, number, str(one[0].service_name or one[0].schemas()), one))
    if not addresses:
        raise UsageError(f"no address in {file}", "an address in each line", "Write one")
    return Addresses(tuple(addresses))


def _import_apprise() -> Any:
    try:
        import apprise
    except ImportError as error:
        raise UsageError(
            f"a channel has messages, and their library is not installed ({error})",
            "the extra messages",
            "Run pip install 'forewarn[messages]'",
        ) from error
    return apprise
