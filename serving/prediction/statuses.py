"""Freshness: how old telemetry may be, and how long a prediction is valid."""

from dataclasses import dataclass

import pandas as pd

from features.names import parse_duration
from features.telemetry.sorted_times import width
from models.artifact.artifact import Artifact
from models.artifact.staleness import Staleness
from serving.settings import Settings

_SHARE_OF_HORIZON = 4


@dataclass(frozen=True)
class Freshness:
    """How old telemetry may be and how long a prediction is valid."""

    staleness: Staleness
    valid_for: int  # after the cut-off, in microseconds


def valid_for(artifact: Artifact, settings: Settings) -> int:
    """Return for how many microseconds after its cut-off a prediction is valid.

    By default a quarter of the model's shortest horizon: by then a quarter of the time predicted has passed. Without a
    horizon it is valid for a day.
    """
    if settings.valid_for:
        return width(parse_duration(settings.valid_for))
    return width(artifact.horizons[0] / _SHARE_OF_HORIZON if artifact.horizons else pd.Timedelta(days=1))
