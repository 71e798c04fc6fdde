"""The endpoint's settings: read once from the environment, frozen, and handed down."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from data_contracts.errors import UsageError, did_you_mean

PREFIX = "FOREWARN_SERVE_"
WORKSPACE_VARIABLE = "FOREWARN_WORKSPACE"
LISTENS = "FOREWARN_LISTENS_ON"
"""Where the endpoint really listens, said by who started it; a setting alone is not what BentoML goes by."""
_MAX_PORT = 65_535
_NEVER = "none"
_AUTH = ("auto", "on", "off")


class WrongSettingError(UsageError):
    """A setting has a value that it cannot have.

    Parameters
    ----------
    name
        The setting.
    found
        Its value.
    expected
        What it can have.
    called
        What the reader knows it by; its environment variable if None.
    """

    def __init__(self, name: str, found: str, expected: str, called: str | None = None) -> None:
        called = called or variable_of(name)
        super().__init__(f"{called} is {found}", expected, f"Set {called} to such a value, or leave it out")
        self.name = name
        self.value = found

    def as_option(self) -> "WrongSettingError":
        """Return the same error about the option of the command line."""
        return WrongSettingError(self.name, self.value, self.expected, f"--{self.name.replace('_', '-')}")


@dataclass(frozen=True)
class Settings:
    """Say what the endpoint serves, where, and how much it takes on.

    Every setting but the workspace has an environment variable of its name after ``FOREWARN_SERVE_``, such as
    ``FOREWARN_SERVE_MAX_BATCH``; the workspace's is ``FOREWARN_WORKSPACE``.

    Parameters
    ----------
    workspace
        The workspace's folder.
    model
        The registered model to serve; None for the only one that has a champion.
    host
        The IP address to listen on.
    port
        The TCP port to listen on, 1 to 65535.
    workers
        How many processes answer.
    threads
        How many requests one process works on at a time.
    poll_seconds
        How often the registry is asked for its champion, in seconds.
    max_batch
        The most assets or windows in one request.
    max_body_bytes
        The largest request body, in bytes.
    timeout_seconds
        After how long a request is given up, in seconds.
    retry_after_seconds
        When to try again after a 503, in seconds.
    clock_skew_seconds
        How far ahead of our clock a caller's may be, in seconds.
    auth
        Whether tokens are asked for: ``"on"``, ``"off"``, or ``"auto"``: on unless only this machine can ask.
    rate_per_second
        How many requests a second one caller may send; 0 for any number.
    stale_after
        From what age on telemetry makes an answer stale, such as ``"6h"``; ``"none"`` for never. If it is empty, what
        the contract of the telemetry promises.
    valid_for
        How long after its cut-off an answer holds, such as ``"6h"``; a quarter of the shortest horizon if it is empty.
    """

    workspace: Path = Path(".forewarn")
    model: str | None = None
    host: str = "127.0.0.1"
    port: int = 3000
    workers: int = 1
    threads: int = 2
    poll_seconds: float = 0.25
    max_batch: int = 1_000
    max_body_bytes: int = 32 * 2**20
    timeout_seconds: float = 60.0
    retry_after_seconds: int = 5
    clock_skew_seconds: float = 5.0
    auth: str = "auto"
    rate_per_second: float = 1_000.0
    stale_after: str = ""
    valid_for: str = ""

    def __post_init__(self) -> None:
        for name in ("workers", "threads", "poll_seconds", "max_batch", "max_body_bytes", "timeout_seconds"):
            if not 0 < getattr(self, name) < math.inf:
                raise WrongSettingError(name, str(getattr(self, name)), "more than 0")
        for name in ("retry_after_seconds", "clock_skew_seconds", "rate_per_second"):
            if not 0 <= getattr(self, name) < math.inf:
                raise WrongSettingError(name, str(getattr(self, name)), "0 or more")
        if self.auth not in _AUTH:
            raise WrongSettingError("auth", repr(self.auth), f"one of {', '.join(_AUTH)}")
        _check_duration("stale_after", self.stale_after.replace(_NEVER, ""))
        _check_duration("valid_for", self.valid_for)
        if not 0 < self.port <= _MAX_PORT:
            raise WrongSettingError("port", str(self.port), f"1 to {_MAX_PORT}")


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Read the settings from environment variables.

    Parameters
    ----------
    environ
        The environment; variables that are not set, or empty, leave the default.

    Returns
    -------
    Settings
        The settings.

    Raises
    ------
    UsageError
        If a value cannot be understood, or a variable with our prefix is unknown.
    """
    given: dict[str, Any] = {}
    if environ.get(WORKSPACE_VARIABLE):
        given["workspace"] = Path(environ[WORKSPACE_VARIABLE])
    kinds = _kinds()
    for variable, text in environ.items():
        if not variable.startswith(PREFIX) or not text:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in kinds:
            known = [variable_of(known) for known in kinds]
            hint = did_you_mean(variable, known) or "Unset it"
            raise UsageError(f"unknown environment variable {variable}", f"one of {', '.join(known)}", hint)
        given[name] = _parse(name, text, kinds[name])
    return Settings(**given)


def to_environment(settings: Settings) -> dict[str, str]:
    """Write settings as the environment variables that `from_environment` reads back.

    Parameters
    ----------
    settings
        The settings.

    Returns
    -------
    dict of str to str
        Variables and their values.
    """
    values = {name: getattr(settings, name) for name in _kinds()}
    variables = {variable_of(name): str(value) for name, value in values.items() if value is not None}
    return {WORKSPACE_VARIABLE: str(settings.workspace), **variables}


def variable_of(name: str) -> str:
    """Name the environment variable of a setting.

    Parameters
    ----------
    name
        The setting's name.

    Returns
    -------
    str
        The variable's name.

    Examples
    --------
    >>> variable_of("max_batch")
    'FOREWARN_SERVE_MAX_BATCH'
    """
    return f"{PREFIX}{name.upper()}"


def _kinds() -> dict[str, type]:
    """Pair the settings that have a variable with the type their text is read as."""
    kinds = {int: int, float: float}
    return {field.name: kinds.get(type(field.default), str) for field in fields(Settings) if field.name != "workspace"}


def _check_duration(name: str, text: str) -> None:
    if text:
        # Imported only when it is needed: this file is read by the process that only supervises.
        from features.names import parse_duration

        try:
            parse_duration(text)
        except UsageError as error:
            raise WrongSettingError(name, repr(text), "a duration such as 6h") from error


def _parse(name: str, text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError as error:
        raise WrongSettingError(name, text, "a whole number" if kind is int else "a number") from error
