"""The endpoint's settings: read once from the environment, frozen, and handed down."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, Strict, WithJsonSchema
from pydantic_settings import SettingsConfigDict

from data_contracts.configuration.environment import EnvironmentSettings, EnvironmentSource
from data_contracts.configuration.places import Source
from data_contracts.configuration.values import build
from data_contracts.errors import UsageError, did_you_mean
from serving.setting_values import check_group_scopes, check_header, check_networks, check_path, check_scopes

PREFIX = "FOREWARN_SERVE_"
WORKSPACE_VARIABLE = "FOREWARN_WORKSPACE"
LISTENS = "FOREWARN_LISTENS_ON"
"""Where the endpoint really listens, set by who started it; a setting alone is not what BentoML goes by."""
SUPERVISOR = "FOREWARN_SUPERVISOR"
"""The process id of the endpoint's first process: its workers end when it does, even those that were starting."""
_NEVER = "none"


def _check_duration(text: str) -> str:
    if text and text != _NEVER:
        # Imported only when it is needed: this file is read by the process that only supervises.
        from features.names import parse_duration

        try:
            parse_duration(text)
        except UsageError as error:
            raise ValueError(error.expected) from error
    return text


def _check_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no time zone") from None
    return name


def _check_span(text: str, *, needed: bool = False) -> str:
    if text == _NEVER or (needed and not text):
        raise ValueError("not a duration")
    return _check_duration(text)


def _schema(title: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "title": title, "examples": [example]})


_SECONDS: dict[str, Any] = {"unit": "s"}
_Positive = Annotated[int, Strict(), Field(gt=0)]
_Seconds = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False, json_schema_extra=_SECONDS)]
_PositiveSeconds = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False, json_schema_extra=_SECONDS)]
_Rate = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False, json_schema_extra={"unit": "requests/s"})]
_TIME_ZONE = {"type": "string", "title": "a name of the IANA time zone database", "examples": ["Europe/Berlin"]}
_DURATION = {"type": "string", "title": "a duration", "examples": ["6h"], "unit": "d, h, min, s, ms, us"}
_Networks = Annotated[str, AfterValidator(check_networks), _schema("addresses and networks", "127.0.0.1, 10.0.0.0/8")]
_Header = Annotated[str, AfterValidator(check_header), _schema("the name of a header", "X-Auth-Request-Email")]
_Scopes = Annotated[str, AfterValidator(check_scopes), _schema("scopes with spaces between them", "predict report")]
_GroupScopes = Annotated[
    str,
    AfterValidator(check_group_scopes),
    _schema("groups with their scopes", "planners: predict report; admins: admin"),
]
_OwnPath = Annotated[str, AfterValidator(check_path), _schema("a path of this site", "/oauth2/sign_out")]
_Span = Annotated[str, AfterValidator(lambda text: _check_span(text, needed=True)), WithJsonSchema(_DURATION)]


class Settings(EnvironmentSettings):
    """What the endpoint serves, where, and how much it takes on.

    Every setting but the workspace has an environment variable of its name after ``FOREWARN_SERVE_``, such as
    ``FOREWARN_SERVE_MAX_BATCH``; the workspace's is ``FOREWARN_WORKSPACE``.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    workspace: Path = Path(".forewarn")
    """The workspace's folder."""
    model: str | None = None
    """The registered model to serve; by default the only one that has a champion."""
    host: str = "127.0.0.1"
    """The IP address to listen on."""
    port: Annotated[int, Strict(), Field(ge=1, le=65_535)] = 3000
    """The TCP port to listen on."""
    workers: _Positive = 1
    """How many processes answer."""
    threads: _Positive = 2
    """How many requests one process works on at a time."""
    poll_seconds: _PositiveSeconds = 0.25
    """How often the registry is asked for its champion, in seconds."""
    max_batch: _Positive = 1_000
    """The most assets or windows in one request."""
    max_body_bytes: Annotated[_Positive, Field(json_schema_extra={"unit": "bytes"})] = 32 * 2**20
    """The largest request body, in bytes."""
    timeout_seconds: _PositiveSeconds = 60.0
    """After how long a request is given up, in seconds."""
    retry_after_seconds: Annotated[int, Strict(), Field(ge=0, json_schema_extra=_SECONDS)] = 5
    """When to try again after a 503, in seconds."""
    clock_skew_seconds: _Seconds = 5.0
    """How far ahead of this machine's clock a caller's may be, in seconds."""
    auth: Literal["auto", "on", "off"] = "auto"
    """Whether tokens are required; "auto": unless only this machine can connect."""
    deliver: Literal["on", "off"] = "on"
    """Whether a process beside the workers sends events by the workspace's channels, where it has any."""
    session_idle: _Span = "8h"
    """After how long without a page somebody who signed in with a token has to sign in again."""
    session_longest: _Span = "7d"
    """After how long in any case."""
    sign_in_attempts: _Positive = 10
    """How often in a minute somebody may try to sign in from one address."""
    proxy_addresses: _Networks = ""
    """The proxies, by address or network, that are believed where a request is from: its caller's address, whether it
    came by TLS, and who has signed in there. If empty, a proxy on this machine is believed the first two."""
    user_header: _Header = ""
    """The header in which these proxies name who has signed in; from anybody else a request with it is refused."""
    groups_header: _Header = ""
    """The header in which they name the groups of that person, with commas between them."""
    group_scopes: _GroupScopes = ""
    """What the members of groups may do on the pages."""
    user_scopes: _Scopes = ""
    """What everybody who has signed in at such a proxy may do on the pages; if empty, only members of the groups get
    in."""
    sign_out_path: _OwnPath = ""
    """Where people who signed in at such a proxy sign out."""
    rate_per_second: _Rate = 1_000.0
    """How many requests a second one caller may send; 0 for any number."""
    stale_after: Annotated[str, AfterValidator(_check_duration), WithJsonSchema(_DURATION)] = ""
    """The age from which telemetry makes a prediction stale, such as "6h"; "none" for never. If empty, the latency that
    the contract of the telemetry promises, or else what the telemetry's own rhythm suggests."""
    language: Literal["auto", "en", "de"] = "auto"
    """The language of the pages; "auto": what the viewer's browser asks for."""
    time_zone: Annotated[str, AfterValidator(_check_time_zone), WithJsonSchema(_TIME_ZONE)] = "UTC"
    """The time zone of the plants, in which the pages show times."""
    valid_for: Annotated[str, AfterValidator(_check_span), WithJsonSchema(_DURATION)] = ""
    """How long after its cut-off a prediction holds, such as "6h"; if empty, a quarter of the shortest horizon."""


def from_environment(environ: Mapping[str, str], options: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings from environment variables; options of the command line win.

    Parameters
    ----------
    environ
        The environment; variables that are not set, or empty, leave the default.
    options
        Settings that the command line gave.

    Returns
    -------
    Settings
        The settings.

    Raises
    ------
    UsageError
        If a value cannot be understood, or a variable with our prefix is unknown.
    """
    known = {name: variable_of(name) for name in Settings.model_fields}
    for variable, text in environ.items():
        if text and variable.startswith(PREFIX) and variable not in known.values():
            hint = did_you_mean(variable, known.values()) or "Unset it"
            raise UsageError(f"unknown environment variable {variable}", f"one of {', '.join(known.values())}", hint)
    given: dict[str, Any] = EnvironmentSource(Settings, environ)()
    if environ.get(WORKSPACE_VARIABLE):
        given["workspace"] = environ[WORKSPACE_VARIABLE]
    settings = build(Settings, given, Source("the endpoint's settings", places=known))
    if options:
        places = known | {name: f"--{name.replace('_', '-')}" for name in options}
        settings = build(Settings, {**given, **options}, Source("the endpoint's settings", places=places))
    _check_together(settings)
    return settings


def _check_together(settings: Settings) -> None:
    """Refuse settings of a proxy at which people sign in that would let in everybody, or nobody."""
    header = variable_of("user_header")
    if settings.user_header:
        if not settings.proxy_addresses:
            proxies = variable_of("proxy_addresses")
            raise UsageError(
                f"{header} without {proxies}", "the proxies that may say who somebody is", f"Set {proxies}"
            )
        if settings.auth == "off":
            auth = variable_of("auth")
            raise UsageError(
                f"{header} with {auth}=off", "people who have to sign in", f"Set {auth} to on, or unset it"
            )
        if not settings.user_scopes and not (settings.groups_header and settings.group_scopes):
            least = (
                f"{variable_of('user_scopes')}, or {variable_of('groups_header')} with {variable_of('group_scopes')}"
            )
            raise UsageError(f"{header}, and nobody may do anything", least, "Set one of them")
    else:
        for name in ("groups_header", "group_scopes", "user_scopes", "sign_out_path"):
            if getattr(settings, name):
                raise UsageError(f"{variable_of(name)} without {header}", "both or neither of them", f"Set {header}")


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
    return {variable_of(name): str(value) for name, value in settings if value is not None}


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
    return WORKSPACE_VARIABLE if name == "workspace" else f"{PREFIX}{name.upper()}"
