"""Inputs and results of a diagnosis."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from data_contracts.configuration.values import configuration
from features.setting_types import Number, OneOrMore, PositiveCount, Share
from models.diagnosis.level_shifts import LevelShiftRule

DAY = pd.Timedelta(days=1)
ROWS = "rows"
"""The column of `DiagnosisInputs.readings` that counts rows rather than a channel's readings."""

BREACH = "contract breach"
REPORTED = "sensor changed"
UNREPORTED = "sensor changed unreported"
MISSING = "missing channel"
SILENT = "silent asset"
REGIME = "operating regime changed"
PROCESS = "process changed"


@configuration
class Limits(LevelShiftRule):
    """Thresholds from which something in the data or the plant is a finding."""

    refused_share: Share = 0.05
    """The largest share of rows that may end in quarantine; by the lower end of its 90 % interval."""
    missing_share: Share = 0.5
    """A channel is missing when it delivers less than this share of what it used to."""
    missing_days: PositiveCount = 3
    """Whole days over which a channel must be missing."""
    silent_days: PositiveCount = 7
    """An asset is silent when nothing comes for this many whole days; repairs are shorter."""
    regime_shift: Annotated[Number, Field(ge=0)] = 0.25
    """The largest population stability index between the regimes of the reference period and of the recent days; by
    custom 0.1 is a small shift and 0.25 a large one."""
    recent_days: PositiveCount = 14
    """The days that regimes, and refused rows at least, are looked at over."""
    most_assets: Share = 0.5
    """The largest share of the assets that the verdict may be reached without."""
    sensor_codes: Annotated[tuple[str, ...], OneOrMore()] = ("sensor_recalibrated", "sensor_replaced")
    """The codes of events that announce that a sensor reads differently from then on."""


@dataclass(frozen=True)
class DiagnosisInputs:
    """What is known, at one time, of the data and the plant.

    `readings`, `levels` and `regimes` are indexed by asset and day (its begin, UTC) and hold whole days only.
    """

    now: pd.Timestamp  # nothing known later is in it
    reference_end: pd.Timestamp  # end of what the champion was trained on; days up to it are the reference period
    since: pd.Timestamp  # from when on refused rows count
    readings: pd.DataFrame  # rows that came (`rows`), and of each channel the readings that are not null
    levels: pd.DataFrame  # of each channel the median reading, best relative to the operating regime
    regimes: pd.DataFrame  # rows in each regime; without columns where none are known
    events: pd.DataFrame  # columns asset, event_time, code
    arrived: Mapping[str, int]  # contract to the rows stored since
    refused: pd.DataFrame  # columns contract, asset (may be null), at: one row in quarantine each
    failed: pd.DataFrame  # columns contract, batch_id, at, rows: batches refused as a whole
    telemetry: str = "telemetry"  # name of the telemetry's contract

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets with telemetry, in order."""
        return tuple(map(str, self.readings.index.unique("asset").sort_values()))

    @property
    def last_day(self) -> pd.Timestamp:
        """The begin of the last whole day."""
        return self.now.floor("D") - DAY


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the data, or has changed in the plant."""

    kind: str  # one of the constants above
    assets: tuple[str, ...]  # assets concerned; empty where unknown
    channels: tuple[str, ...]  # channels concerned; empty where unknown
    since: pd.Timestamp
    sentence: str
    severity: Literal["freeze", "warn"] = "warn"  # "freeze": no verdict on the model, from it alone or with others
    set_aside: Mapping[str, pd.Timestamp] = field(default_factory=dict)  # assets not to count, each from when on

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return {
            **vars(self),
            "assets": list(self.assets),
            "channels": list(self.channels),
            "since": self.since.isoformat(),
            "set_aside": {asset: time.isoformat() for asset, time in self.set_aside.items()},
        }


def join_names(names: Collection[str], most: int = 3) -> str:
    """List names in words, and how many are left out.

    Examples
    --------
    >>> join_names(["a", "b"])
    'a and b'
    >>> join_names(["e", "d", "c", "b", "a"])
    'a, b, c and 2 more'
    """
    ordered = sorted(names)
    if len(ordered) > most:
        return f"{', '.join(ordered[:most])} and {len(ordered) - most} more"
    return " and ".join(filter(None, [", ".join(ordered[:-1]), *ordered[-1:]]))


def describe_assets(assets: Collection[str], fleet: Collection[str]) -> str:
    """Write how many of the fleet's assets, and which.

    Examples
    --------
    >>> describe_assets(["m1"], ["m1", "m2"])
    '1 of 2 assets (m1)'
    """
    return f"{len(assets)} of {len(fleet)} assets ({join_names(assets)})"
