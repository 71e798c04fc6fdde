"""The file of a channel: which events go out, where to, and when one is given up."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field

from data_contracts.configuration.places import read_toml
from data_contracts.configuration.values import WrongValueError, build, configuration
from data_contracts.errors import UsageError, did_you_mean
from features.setting_types import Glob, PositiveDuration
from pipelines.connectors.sap_section import SAP_KINDS, SapSection

FOLDER = "channels"
"""The folder of a workspace with a TOML file for each channel; its name is the channel's."""
_TARGETS = ("webhook", "sap")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@configuration
class WebhookSection:
    """An address that takes events as CloudEvents."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
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
class Channel:
    """Which events go out, and where to."""

    webhook: WebhookSection | None = None
    """An address that takes events as CloudEvents."""
    sap: SapSection | None = None
    """An SAP system that takes alarms as maintenance notifications."""
    kinds: tuple[Glob, ...] = ("*",)
    """Glob patterns of the kinds of events that go out, such as "alarm.*"."""
    give_up_after: PositiveDuration = pd.Timedelta(days=3)
    """An event that could not go out for so long is a dead letter, and the subject's next one goes out."""
    longest_pause: PositiveDuration = pd.Timedelta(minutes=5)
    """The longest time between two attempts."""

    def __post_init__(self) -> None:
        """Check that some event can go out."""
        if not self.kinds:
            raise WrongValueError("kinds", "is empty", "patterns of kinds of events")
        given = [name for name in _TARGETS if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"is there beside {' and '.join(given[:-1])}" if given else "is missing"
            expected = f"one section that says where events go: {', '.join(f'[{name}]' for name in _TARGETS)}"
            raise WrongValueError(given[-1] if given else _TARGETS[0], found, expected)

    def kinds_of(self, known: Sequence[str]) -> tuple[str, ...]:
        """Return the kinds of events that go out."""
        taken = known if self.sap is None else [kind for kind in known if kind in SAP_KINDS]
        return tuple(kind for kind in taken if any(fnmatchcase(kind, pattern) for pattern in self.kinds))


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
    path = root / file
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read ({error})", "a file with a secret in its first line", "Fix it"
        ) from None
    if not lines or not lines[0].strip():
        raise UsageError(f"{path} is empty", "a secret in its first line", "Write it there")
    return lines[0].strip()
