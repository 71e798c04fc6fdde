"""What a diagnosis is made from, and what it is made of."""

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
    """From where on something in the data or the plant is a finding."""

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
    """What is known of the data and the plant.

    Parameters
    ----------
    now : pd.Timestamp
        Nothing known later is in it.
    reference_end : pd.Timestamp
        The end of what the champion learned from; days up to it are the reference period.
    since : pd.Timestamp
        From when on refused rows count.
    readings : pd.DataFrame
        Indexed by asset and day (its begin, UTC): the rows that came (``rows``), and of each channel the readings that
        are not null. Whole days only.
    levels : pd.DataFrame
        Indexed alike: of each channel the median reading, best relative to the operating regime.
    regimes : pd.DataFrame
        Indexed alike: the rows in each regime; without columns where none are known.
    events : pd.DataFrame
        Columns asset, event_time, code.
    arrived : mapping of str to int
        Contract to the rows stored since.
    refused : pd.DataFrame
        Columns contract, asset (may be null), at: a row in quarantine each.
    failed : pd.DataFrame
        Columns contract, batch_id, at, rows: batches that were refused as a whole.
    telemetry : str
        The name of the telemetry's contract.
    """

    now: pd.Timestamp
    reference_end: pd.Timestamp
    since: pd.Timestamp
    readings: pd.DataFrame
    levels: pd.DataFrame
    regimes: pd.DataFrame
    events: pd.DataFrame
    arrived: Mapping[str, int]
    refused: pd.DataFrame
    failed: pd.DataFrame
    telemetry: str = "telemetry"

    @property
    def assets(self) -> tuple[str, ...]:
        """Return the assets that telemetry has come of, in order."""
        return tuple(map(str, self.readings.index.unique("asset").sort_values()))

    @property
    def last_day(self) -> pd.Timestamp:
        """Return the begin of the last whole day."""
        return self.now.floor("D") - DAY


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the data, or another than it was.

    Parameters
    ----------
    kind : str
        "contract breach", "sensor changed", "sensor changed unreported", "missing channel", "silent asset",
        "operating regime changed" or "process changed".
    assets : tuple of str
        The assets concerned; empty where none can be told.
    channels : tuple of str
        The channels concerned; empty where none can be told.
    since : pd.Timestamp
        From when on.
    sentence : str
        In plain words.
    severity : {"freeze", "warn"}
        Whether it alone, or together with others, forbids a verdict on the model.
    set_aside : mapping of str to pd.Timestamp
        The assets whose outcomes must not count, each from when on.
    """

    kind: str
    assets: tuple[str, ...]
    channels: tuple[str, ...]
    since: pd.Timestamp
    sentence: str
    severity: Literal["freeze", "warn"] = "warn"
    set_aside: Mapping[str, pd.Timestamp] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return {
            **vars(self),
            "assets": list(self.assets),
            "channels": list(self.channels),
            "since": self.since.isoformat(),
            "set_aside": {asset: time.isoformat() for asset, time in self.set_aside.items()},
        }


def named(names: Collection[str], most: int = 3) -> str:
    """Return some names as words.

    Examples
    --------
    >>> named(["a", "b"])
    'a and b'
    >>> named(["e", "d", "c", "b", "a"])
    'a, b, c and 2 more'
    """
    ordered = sorted(names)
    if len(ordered) > most:
        return f"{', '.join(ordered[:most])} and {len(ordered) - most} more"
    return " and ".join(filter(None, [", ".join(ordered[:-1]), *ordered[-1:]]))


def assets_of(some: Collection[str], fleet: Collection[str]) -> str:
    """Return how many of how many assets, and which, as words.

    Examples
    --------
    >>> assets_of(["m1"], ["m1", "m2"])
    '1 of 2 assets (m1)'
    """
    return f"{len(some)} of {len(fleet)} assets ({named(some)})"
