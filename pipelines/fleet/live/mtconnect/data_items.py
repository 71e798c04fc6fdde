"""The data items of the plant's devices: what each channel is in the standard's words.

Types and units: MTConnect Part 2 and 3, https://model.mtconnect.org (version 2.3).
"""

from dataclasses import dataclass
from typing import Literal

from pipelines.fleet.live.machines.live_plant import CHANNELS

UNAVAILABLE = "UNAVAILABLE"
VERSION = "2.3"
_TYPES = {
    "vibration_x": ("VELOCITY", "MILLIMETER/SECOND"),
    "vibration_y": ("VELOCITY", "MILLIMETER/SECOND"),
    "vibration_z": ("VELOCITY", "MILLIMETER/SECOND"),
    "spindle_current": ("AMPERAGE", "AMPERE"),
    "spindle_speed": ("ROTARY_VELOCITY", "REVOLUTION/MINUTE"),
    "feed_force": ("LINEAR_FORCE", "NEWTON"),
    "acoustic_emission": ("VOLTAGE", "VOLT"),
    "bearing_temperature": ("TEMPERATURE", "CELSIUS"),
}


@dataclass(frozen=True)
class DataItem:
    """What is observed of a device."""

    name: str
    type: str
    category: Literal["SAMPLE", "EVENT"]
    units: str | None = None
    series: bool = False
    of_spindle: bool = False

    @property
    def element(self) -> str:
        """Return the name of its observations' element, such as VelocityTimeSeries."""
        name = "".join(word.capitalize() for word in self.type.split("_"))
        return f"{name}TimeSeries" if self.series else name

    def id(self, device: str) -> str:
        """Return its id, which is unique in the document."""
        return f"{device}_{self.name}"


def data_items(*, scalars: bool) -> tuple[DataItem, ...]:
    """Return the data items of every device: its state, and each channel's series, with `scalars` single values too."""
    state = (
        DataItem("availability", "AVAILABILITY", "EVENT"),
        DataItem("asset_changed", "ASSET_CHANGED", "EVENT"),
        DataItem("asset_removed", "ASSET_REMOVED", "EVENT"),
        DataItem("message", "MESSAGE", "EVENT"),
    )
    series = (
        DataItem(f"{name}_series", *_sample(name), series=True, of_spindle=True)  # type: ignore[arg-type]
        for name in CHANNELS
    )
    values = (DataItem(name, *_sample(name), of_spindle=True) for name in CHANNELS if scalars)  # type: ignore[arg-type]
    return (*state, *series, *values)


def _sample(channel: str) -> tuple[str, str, str]:
    kind, units = _TYPES[channel]
    return kind, "SAMPLE", units
