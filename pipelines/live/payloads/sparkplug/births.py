"""A birth certificate: which metrics there are, by name and alias, and which of them are channels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.live.payloads.message import column_problem
from pipelines.live.payloads.sparkplug.wire_format.definitions import (
    ASSET_TYPE_NAMES,
    BIRTH_DEATH_SEQUENCE,
    BOOLEAN,
    CONTROL_FOLDERS,
    FLOAT,
    INT8,
    INT_VALUE,
    LONG_VALUE,
    STRING_VALUE,
)
from pipelines.live.payloads.sparkplug.wire_format.metric_scan import (
    ALIAS_AT,
    FIELD_AT,
    FLAGS,
    HAS_ALIAS,
    HAS_NAME,
    LENGTH_AT,
    NULL,
    TYPE_AT,
    VALUE_AT,
)
from pipelines.live.payloads.sparkplug.wire_format.payload import SparkplugPayload, text, unlike_specification

NO_CHANNEL = -1


@dataclass(frozen=True, eq=False)
class Birth:
    """The metrics that a node or device has; columns count its channels, and `NO_CHANNEL` is any other metric."""

    channels: tuple[str, ...]
    datatypes: npt.NDArray[np.int64]  # of the channels
    aliases: npt.NDArray[np.int64]  # ascending
    alias_columns: npt.NDArray[np.int64]  # of the aliases
    name_columns: Mapping[str, int]
    left_out: tuple[str, ...]  # names of metrics that are no channels
    asset_type: str | None

    @property
    def singles(self) -> npt.NDArray[np.bool_]:
        """Which channels are of 32 bits."""
        singles: npt.NDArray[np.bool_] = self.datatypes == FLOAT
        return singles


def read_birth(payload: SparkplugPayload, names: Mapping[str, str]) -> Birth:
    """Read the metrics of a birth; `names` maps metrics to channels, and if empty every number is a channel."""
    channels: list[str] = []
    datatypes: list[int] = []
    columns: dict[str, int] = {}
    aliases: dict[int, int] = {}
    asset_type = None
    for row in range(len(payload.metrics)):
        metric = payload.metrics[row]
        if not metric[FLAGS] & HAS_NAME:
            raise unlike_specification("a metric of a birth without a name", "a name, and an alias if data go by it")
        name = payload.name(row)
        if name in columns:
            raise unlike_specification(f"metric {name[:60]!r} twice in a birth", "each once")
        channel = _channel(name, int(metric[TYPE_AT]), names)
        if channel is not None and channel in channels:
            raise unlike_specification(f"two metrics for channel {channel[:60]!r}", "one")
        columns[name] = NO_CHANNEL if channel is None else len(channels)
        if channel is not None:
            channels.append(channel)
            datatypes.append(int(metric[TYPE_AT]))
        if metric[FLAGS] & HAS_ALIAS:
            if int(metric[ALIAS_AT]) in aliases:
                raise unlike_specification(f"alias {metric[ALIAS_AT]} twice in a birth", "each once")
            aliases[int(metric[ALIAS_AT])] = columns[name]
        if name in ASSET_TYPE_NAMES:
            asset_type = _text_value(payload, row) or asset_type
    in_order = sorted(aliases)
    return Birth(
        channels=tuple(channels),
        datatypes=np.array(datatypes, np.int64),
        aliases=np.array(in_order, np.int64),
        alias_columns=np.array([aliases[alias] for alias in in_order], np.int64),
        name_columns=columns,
        left_out=tuple(name for name, column in columns.items() if column == NO_CHANNEL),
        asset_type=asset_type,
    )


def birth_death_sequence(payload: SparkplugPayload) -> int:
    """Return bdSeq, by which a death belongs to a birth; PayloadError if it is not there."""
    for row in range(len(payload.metrics)):
        metric = payload.metrics[row]
        if metric[FLAGS] & HAS_NAME and payload.name(row) == BIRTH_DEATH_SEQUENCE:
            if metric[FIELD_AT] not in (INT_VALUE, LONG_VALUE) or metric[FLAGS] & NULL or metric[VALUE_AT] < 0:
                raise unlike_specification("a metric bdSeq that is no whole number", "0 to 255")
            return int(metric[VALUE_AT])
    raise unlike_specification("no metric bdSeq", "it in each NBIRTH and NDEATH")


def _channel(name: str, datatype: int, names: Mapping[str, str]) -> str | None:
    """Return the channel of a metric; None if it has none."""
    if not INT8 <= datatype <= BOOLEAN:
        return None
    if names:
        return names.get(name)
    if name == BIRTH_DEATH_SEQUENCE or name.startswith(CONTROL_FOLDERS) or column_problem(name):
        return None
    return name


def _text_value(payload: SparkplugPayload, row: int) -> str | None:
    metric = payload.metrics[row]
    if metric[FIELD_AT] != STRING_VALUE or metric[FLAGS] & NULL:
        return None
    at = int(metric[VALUE_AT])
    return text(payload.encoded[at : at + int(metric[LENGTH_AT])], "the asset type")
