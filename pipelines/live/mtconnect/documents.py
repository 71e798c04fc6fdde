"""The documents of an agent: devices, streams of observations, errors (MTConnect Part 1 to 3, any version)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

UNAVAILABLE = "UNAVAILABLE"
OUT_OF_RANGE = "OUT_OF_RANGE"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DocumentError(Exception):
    """An answer that is no document of MTConnect, or an error document; `code` is the agent's word for it."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class StreamHeader:
    """Where the agent's buffer stands."""

    instance: int
    first: int
    next: int
    buffer_size: int


@dataclass(frozen=True, slots=True)
class Observation:
    """A value or a series of a data item; its time, of a series that of the last value, in microseconds since 1970."""

    item: str
    time: int
    text: str
    rate: float | None = None  # values a second of a series


@dataclass(frozen=True)
class DataItem:
    """What a device can be asked for."""

    id: str
    name: str | None
    category: str
    type: str
    sub_type: str | None
    units: str | None
    series: bool

    @property
    def label(self) -> str:
        """Return what to call it: its name, or its id."""
        return self.name or self.id


@dataclass(frozen=True)
class Device:
    """A machine, and its data items at any depth."""

    id: str
    name: str
    uuid: str
    items: tuple[DataItem, ...]


def read_devices(content: bytes) -> list[Device]:
    """Read the answer to `probe`."""
    root = _root(content, "MTConnectDevices")
    return [
        Device(
            element.get("id", ""),
            element.get("name", ""),
            element.get("uuid", ""),
            tuple(_item(each) for each in element.iter() if _local(each) == "DataItem"),
        )
        for element in root.iter()
        if _local(element) == "Device"
    ]


def read_streams(content: bytes) -> tuple[StreamHeader, list[Observation]]:
    """Read the answer to `current` or `sample`."""
    root = _root(content, "MTConnectStreams")
    return _header(root), list(_observations(root))


def _root(content: bytes, expected: str) -> Any:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(content)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise DocumentError(f"an answer that is no XML of MTConnect ({error})") from error
    if _local(root) == "MTConnectError":
        errors = [each for each in root.iter() if _local(each) == "Error"]
        code = errors[0].get("errorCode", "") if errors else ""
        raise DocumentError((errors[0].text or code).strip() if errors else "an error without a reason", code)
    if _local(root) != expected:
        raise DocumentError(f"a document {_local(root)[:60]} instead of {expected}")
    return root


def _header(root: Any) -> StreamHeader:
    header = next((each for each in root if _local(each) == "Header"), None)
    try:
        names = ("instanceId", "firstSequence", "nextSequence", "bufferSize")
        return StreamHeader(*(int(header.get(name)) for name in names))  # type: ignore[union-attr]
    except (AttributeError, TypeError, ValueError) as error:
        raise DocumentError("a header without instanceId, firstSequence, nextSequence and bufferSize") from error


def _observations(root: Any) -> Iterator[Observation]:
    for element in root.iter():
        item, written = element.get("dataItemId"), element.get("timestamp")
        if item is None or written is None:
            continue
        try:
            time = parse_time(written)
            rate = element.get("sampleRate")
            yield Observation(item, time, (element.text or "").strip(), float(rate) if rate else None)
        except ValueError as error:
            raise DocumentError(f"an observation of {item[:60]} at {written[:40]!r}, which is no time") from error


def parse_time(text: str) -> int:
    """Return a timestamp in microseconds since 1970; ValueError if it is none.

    Examples
    --------
    >>> parse_time("1970-01-01T00:00:01.5Z")
    1500000
    """
    time = datetime.fromisoformat(text.partition("@")[0])
    since = (time if time.tzinfo is not None else time.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _item(element: Any) -> DataItem:
    get = element.get
    representation = get("representation", "VALUE")
    return DataItem(
        get("id", ""), get("name"), get("category", ""), get("type", ""), get("subType"), get("units"),
        representation == "TIME_SERIES",
    )  # fmt: skip


def _local(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
