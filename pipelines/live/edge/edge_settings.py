"""How an edge keeps and sends its messages."""

from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field

from data_contracts.configuration.values import WrongValueError, configuration
from features.setting_types import Duration, PositiveCount, PositiveDuration

_MB = 1_000_000


@configuration
class SpoolSettings:
    """What is kept on the disk until the ingester confirms it."""

    folder: Path
    """The folder of the spool; each bridge has its own."""
    max_mb: Annotated[PositiveCount, Field(json_schema_extra={"unit": "MB"})] = 1_000
    """The most that it may take; where more arrives the oldest is dropped, and a gap recorded."""
    segment_mb: Annotated[PositiveCount, Field(le=1_000, json_schema_extra={"unit": "MB"})] = 8
    """The size of one of its files; what is confirmed is deleted by file."""
    sync: Duration = pd.Timedelta(seconds=1)
    """How often the disk is made to write: what a power cut may cost at most. "0s" syncs each message."""

    def __post_init__(self) -> None:
        """Check that a file fits twice: one that is written to, one that is sent."""
        if 2 * self.segment_mb > self.max_mb:
            raise WrongValueError("segment_mb", f"{self.segment_mb} of {self.max_mb} MB", "half of max_mb at most")

    @property
    def max_bytes(self) -> int:
        """The most bytes of the spool."""
        return self.max_mb * _MB

    @property
    def segment_bytes(self) -> int:
        """The most bytes of one of its files."""
        return self.segment_mb * _MB


@configuration
class SendingSettings:
    """How messages are sent."""

    max_in_flight: Annotated[PositiveCount, Field(le=65_535)] = 20
    """The most messages that the broker has not acknowledged; a broker that announces a smaller number gets that."""
    max_unconfirmed: PositiveCount = 4_000
    """The most messages that are sent and that the ingester has not confirmed, of all assets; the rest waits on the
    disk."""
    confirmed_within: PositiveDuration = pd.Timedelta(seconds=30)
    """An asset's messages are sent again where no confirmation arrives for this long; twice as long the next time, up
    to ten minutes."""
    reconnect_within: PositiveDuration = pd.Timedelta(seconds=15)
    """The longest pause between two attempts to reach the broker."""
