"""The file of a channel: which events go out, where to, and when one is given up."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from data_contracts.configuration.places import read_toml
from data_contracts.configuration.values import WrongValueError, build, configuration
from data_contracts.errors import UsageError, did_you_mean
from data_contracts.records.outbox.event_kinds import ALARM_OPENED
from features.setting_types import Duration, Glob, PositiveDuration, TimeZone
from pipelines.connectors.sap_section import SAP_KINDS, SapSection

FOLDER = "channels"
"""The folder of a workspace with a TOML file for each channel; its name is the channel's."""
_TARGETS = ("webhook", "sap", "message")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@configuration
class WebhookSection:
    """An address that takes events as CloudEvents."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", title="an http or https address")]
    """Where to post each event to."""
    secret_file: Path | None = None
    """A file whose first line is the secret that requests are signed with (Standard Webhooks); without one they are
    not signed."""
    token_file: Path | None = None
    """A file whose first line is sent as a bearer token."""
    ca: Path | None = None
    """The certificates (PEM) that the receiver's must be signed by; those of the system by default."""
    answer_within: PositiveDuration = pd.Timedelta(seconds=10)
    """How long the receiver may take to answer."""


@configuration
class MessageSection:
    """People who get messages, by e-mail or chat."""

    urls_file: Path
    """A file with an address in each line, as Apprise writes them: "mailto://...", "msteams://..."; they have secrets
    in them."""
    language: Literal["en", "de"] = "en"
    """The language of the messages."""
    time_zone: TimeZone = "UTC"
    """The time zone of quiet hours, and of the times in messages."""
    quiet: Annotated[
        str,
        Field(
            pattern=r"^(([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)?$",
            title="two times of day",
            examples=["22:00-06:00"],
        ),
    ] = ""
    """From when until when nobody is disturbed, such as "22:00-06:00": what happens then is one message afterwards."""
    digest: Duration = pd.Timedelta(minutes=1)
    """What happens within this time after the first event goes with it, as one message."""
    template: Path | None = None
    """A file with the plant's own words, a Jinja2 template: its first line is the title."""

    def __post_init__(self) -> None:
        """Check that there is a time that is not quiet."""
        begins, _, ends = self.quiet.partition("-")
        if self.quiet and begins == ends:
            raise WrongValueError("quiet", f"begins and ends at {begins}", "two different times")


@configuration
class Channel:
    """Which events go out, and where to: to an address, to people, or to an SAP system."""

    webhook: WebhookSection | None = None
    sap: SapSection | None = None
    message: MessageSection | None = None
    kinds: tuple[Glob, ...] | None = None
    """Glob patterns of the kinds of events that go out, such as "alarm.*"; all of them by default, of messages
    "alarm.opened"; to SAP never others than "alarm.opened" and "work.planned"."""
    give_up_after: PositiveDuration = pd.Timedelta(days=3)
    """An event that could not go out for so long is a dead letter, and the subject's next one goes out."""
    longest_pause: PositiveDuration = pd.Timedelta(minutes=5)
    """The longest time between two attempts."""

    def __post_init__(self) -> None:
        """Check that some event can go out, and to one target."""
        if self.kinds == ():
            raise WrongValueError("kinds", "is empty", "patterns of kinds of events")
        given = [name for name in _TARGETS if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"is there beside {' and '.join(given[:-1])}" if given else "is missing"
            expected = f"one section that says where events go: {', '.join(f'[{name}]' for name in _TARGETS)}"
            raise WrongValueError(given[-1] if given else _TARGETS[0], found, expected)

    def kinds_of(self, known: Sequence[str]) -> tuple[str, ...]:
        """Return the kinds of events that go out."""
        taken = known if self.sap is None else [kind for kind in known if kind in SAP_KINDS]
        patterns = self.kinds or ((ALARM_OPENED,) if self.message is not None else ("*",))
        return tuple(kind for kind in taken if any(fnmatchcase(kind, pattern) for pattern in patterns))


def channel_names(root: Path) -> tuple[str, ...]:
    """Return the names of a workspace's channels, in order."""
    return tuple(sorted(file.stem for file in (root / FOLDER).glob("*.toml")))


def read_channel(root: Path, name: str) -> Channel:
    """Read a channel of a workspace; `UsageError` for an unknown one, or with the place of the first mistake."""
    file = root / FOLDER / f"{name}.toml"
    if not _NAME.fullmatch(name):
        raise UsageError(f"a channel {name!r}", "a-z, 0-9, - and _, 64 characters at most", "Rename its file")
    if not file.is_file():
        names = channel_names(root)
        there = f"one of {', '.join(names)}" if names else f"a file {FOLDER}/{name}.toml in the workspace"
        raise UsageError(f"no channel {name!r}", there, did_you_mean(name, names) or "Write its file")
    content, source = read_toml(file)
    return build(Channel, content, source)


def read_secret(file: Path | None, root: Path) -> str | None:
    """Read the first line of a file of a channel, relative to the workspace; `UsageError` if there is none."""
    if file is None:
        return None
    lines = read_lines(file, root)
    if not lines or not lines[0].strip():
        raise UsageError(f"{root / file} is empty", "a secret in its first line", "Write it there")
    return lines[0].strip()


def read_lines(file: Path, root: Path) -> list[str]:
    """Read the lines of a file of a channel, relative to the workspace; `UsageError` if that cannot be read."""
    path = root / file
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error})", "a readable text file", "Fix it") from None
