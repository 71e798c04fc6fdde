"""The sections that every bridge's mapping has."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field

from data_contracts.configuration.values import WrongValueError, configuration
from features.setting_types import Flag, PositiveDuration
from pipelines.live.broker.broker_settings import BrokerSettings, read_password
from pipelines.live.payloads.message import column_problem

Port = Annotated[int, Field(strict=True, ge=1, le=65_535)]
Level = Annotated[str, Field(pattern=r"^[^/+#\x00]+$")]
"""A name that can be a level of a topic."""


@configuration
class BrokerSection:
    """The MQTT broker to publish to."""

    host: str = "127.0.0.1"
    """Its address."""
    port: Port = 1883
    """Its port."""
    user: str | None = None
    """The user to log in as; nobody by default."""
    password_file: Path | None = None
    """A file whose first line is the password; FOREWARN_MQTT_PASSWORD wins."""
    tls: Flag = False
    """Whether the connection is encrypted; it is with any of the files below."""
    ca: Path | None = None
    """The certificates (PEM) that the broker's must be signed by; those of the system by default."""
    certificate: Path | None = None
    """The bridge's own certificate (PEM), where the broker asks for one."""
    key: Path | None = None
    """The key (PEM) of that certificate."""
    client_id: str | None = None
    """The bridge's name for the broker, of which no two may have the same; made of plant and spool by default."""
    keep_alive: PositiveDuration = pd.Timedelta(seconds=30)
    """A connection over which nothing comes for so long is tested; after as long again it counts as broken."""

    def settings(self, environ: Mapping[str, str]) -> BrokerSettings:
        """Return where the broker is and how to log in; UsageError for a password file that cannot be read."""
        password = None if self.user is None else read_password(self.password_file, environ)
        keep_alive_s = math.ceil(self.keep_alive.total_seconds())
        return BrokerSettings(
            self.host, self.port, self.user, password, self.tls, self.ca, self.certificate, self.key, keep_alive_s
        )  # fmt: skip


@configuration
class RowSettings:
    """How readings become rows."""

    align: PositiveDuration | None = None
    """Move the times of readings back to whole multiples of this, so that channels that are sampled one after another
    share rows; by default each time stays as the machine said it."""
    repeat: Flag = False
    """Where a machine reports only what changes: repeat the last reading in rows of other channels; otherwise null."""
    qualities: Flag = False
    """Send the quality of each reading beside it, in columns that the contract has to have; without, what is uncertain
    is null, as what is bad always is."""
    patience: PositiveDuration = pd.Timedelta(seconds=2)
    """How long a second's readings wait for those of channels that lag behind."""


def check_assets(assets: tuple[str, ...], taken: set[str], key: str) -> None:
    """Raise `WrongValueError` if assets are none, twice, or cannot be levels of a topic."""
    if not assets:
        raise WrongValueError(key, "is empty", "the names of assets")
    for asset in assets:
        if asset in taken:
            raise WrongValueError(key, f"asset {asset!r} twice", "each asset once")
        if not re.fullmatch(r"[^/+#\x00]+", asset):
            raise WrongValueError(key, f"asset {asset!r}", "names without /, + and #, as they are levels of topics")
        taken.add(asset)


def check_channels(channels: Mapping[str, str], key: str, units: Mapping[str, str]) -> None:
    """Raise `WrongValueError` if channels are none, have names that columns cannot have, or units are of others."""
    if not channels:
        raise WrongValueError(key, "is empty", "channels, each with where it is read")
    for name in channels:
        if problem := column_problem(name):
            raise WrongValueError(key, problem, "another name")
    if unknown := sorted(units.keys() - channels.keys()):
        raise WrongValueError("units", f"names {', '.join(unknown)}", f"channels in {key}")
