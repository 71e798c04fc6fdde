"""Posting one event to an address, and what its answer means."""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.records.outbox.outbox_records import OutboxEvent
from pipelines.connectors.channel_settings import WebhookSection, read_secret
from pipelines.connectors.cloud_events import CONTENT_TYPE, cloud_event, encode
from pipelines.connectors.webhook_signature import parse_secret, signed_headers

# Answers that say "later", not "never": time-out, conflict with another attempt, too early, too many.
_LATER = (408, 409, 425, 429)
_MOST_WORDS = 200
_AT_ONCE = pd.Timedelta(0)


class TryAgainError(Exception):
    """An event could not go out now; `after_s` is what the receiver asks to wait, if it says so.

    The attempt may yet take effect for `settle`, before which there must not be another one.
    """

    def __init__(self, problem: str, after_s: float | None = None, *, settle: pd.Timedelta = _AT_ONCE) -> None:
        super().__init__(problem)
        self.after_s = after_s
        self.settle = settle


class RefusedError(Exception):
    """The receiver will never take this event."""


class SilencedError(Exception):
    """Somebody has silenced this alarm, so that it is not sent."""


@dataclass(frozen=True)
class Webhook:
    """An address to post events to."""

    section: WebhookSection
    source: str  # who sends, as a URI reference
    client: httpx.Client = field(repr=False)
    secret: bytes | None = field(default=None, repr=False)

    def send(self, event: OutboxEvent, number: int) -> None:
        """Post one event; `TryAgainError` or `RefusedError` unless it was taken."""
        body = encode(cloud_event(event, number=number, source=self.source))
        headers = {"content-type": CONTENT_TYPE}
        if self.secret is not None:
            headers |= signed_headers(self.secret, event.event_id, int(time.time()), body)
        try:
            answer = self.client.post(self.section.url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise TryAgainError(f"{type(error).__name__}: {error}") from error
        if answer.is_success:
            return
        problem = f"{answer.status_code} {answer.reason_phrase}: {answer.text[:_MOST_WORDS]}".rstrip(": ")
        if answer.is_client_error and answer.status_code not in _LATER:
            raise RefusedError(problem)
        raise TryAgainError(problem, retry_after(answer.headers.get("retry-after")))


@contextmanager
def open_webhook(section: WebhookSection, root: Path, source: str) -> Iterator[Webhook]:
    """Read the secrets of an address, and keep its connections for the block; it follows no redirection."""
    secret, token = read_secret(section.secret_file, root), read_secret(section.token_file, root)
    headers = {"user-agent": "forewarn"} | ({} if token is None else {"authorization": f"Bearer {token}"})
    key = None if secret is None else parse_secret(secret, str(root / (section.secret_file or "")))
    with httpx.Client(
        headers=headers,
        timeout=section.answer_within.total_seconds(),
        verify=certificates(section.ca, root),
        trust_env=False,
    ) as client:
        yield Webhook(section, source, client, key)


def certificates(ca: Path | None, root: Path) -> ssl.SSLContext:
    """Return what a receiver's certificate is checked by."""
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(root / ca))
    except OSError as error:
        found = f"{root / ca if ca else 'the certificates'} cannot be read ({error})"
        raise UsageError(found, "certificates (PEM)", "Fix ca in the channel's file") from None


def retry_after(text: str | None) -> float | None:
    """Return how many seconds a receiver asks to wait, from seconds or a date."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
