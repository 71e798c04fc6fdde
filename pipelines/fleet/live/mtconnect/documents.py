"""The agent's documents: devices, streams and errors, by the standard's schemas (version 2.3)."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, tostring

from pipelines.fleet.live.machines.live_plant import RATE, LivePlant
from pipelines.fleet.live.mtconnect.data_items import VERSION, DataItem
from pipelines.fleet.live.mtconnect.observations import Observation, Observations

SENDER = "forewarn"
_SPINDLE = "spindle"
_OF_ASSETS = ("ASSET_CHANGED", "ASSET_REMOVED")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def devices_document(plant: LivePlant, observations: Observations, devices: Sequence[int], now: int) -> bytes:
    """Return what devices there are, and their data items."""
    root = _root("Devices")
    SubElement(root, "Header", _header(observations, now, assetBufferSize=1, assetCount=0))
    parent = SubElement(root, "Devices")
    for number in devices:
        name = plant.assets[number]
        device = SubElement(parent, "Device", id=name, name=name, uuid=device_uuid(name))
        description = SubElement(device, "Description", model=plant.models[number], station=plant.lines[number])
        description.text = "Simulated machining centre"
        _describe(device, name, [item for item in observations.items if not item.of_spindle])
        axes = SubElement(SubElement(device, "Components"), "Axes", id=f"{name}_axes", name="axes")
        spindle = SubElement(SubElement(axes, "Components"), "Rotary", id=f"{name}_{_SPINDLE}", name=_SPINDLE)
        _describe(spindle, name, [item for item in observations.items if item.of_spindle])
    return _bytes(root)


def streams_document(
    plant: LivePlant, observations: Observations, chosen: Iterable[Observation], *, next_sequence: int, now: int
) -> bytes:
    """Return observations by device and component."""
    root = _root("Streams")
    span = {"firstSequence": observations.first_sequence, "lastSequence": observations.last_sequence}
    SubElement(root, "Header", _header(observations, now, nextSequence=next_sequence, **span))
    parent = SubElement(root, "Streams")
    ordered = sorted(chosen, key=lambda each: _place(observations, each))
    for (number, of_spindle), group in groupby(ordered, key=lambda each: _place(observations, each)[:2]):
        name = plant.assets[number]
        if not len(parent) or parent[-1].get("name") != name:
            SubElement(parent, "DeviceStream", name=name, uuid=device_uuid(name))
        component = {"component": "Rotary", "name": _SPINDLE, "componentId": f"{name}_{_SPINDLE}"}
        if not of_spindle:
            component = {"component": "Device", "name": name, "componentId": name}
        stream = SubElement(parent[-1], "ComponentStream", component)
        for category, members in groupby(group, key=lambda each: observations.items[each.item].category):
            container = SubElement(stream, f"{category.capitalize()}s")
            for observation in members:
                _observe(container, name, observations.items[observation.item], observation)
    return _bytes(root)


def error_document(observations: Observations, code: str, text: str, now: int) -> bytes:
    """Return why a request has no answer."""
    root = _root("Error")
    header = _header(observations, now)
    # The schema of errors has no such attribute.
    del header["deviceModelChangeTime"]
    SubElement(root, "Header", header)
    SubElement(SubElement(root, "Errors"), "Error", errorCode=code).text = text
    return _bytes(root)


def device_uuid(name: str) -> str:
    """Return a device's uuid, which the standard lets be any text that is unique."""
    return f"forewarn-{name}"


def timestamp(microseconds: int) -> str:
    """Return a time as the standard writes it."""
    return (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _place(observations: Observations, observation: Observation) -> tuple[int, bool, str, int]:
    item = observations.items[observation.item]
    return observation.device, item.of_spindle, item.category, observation.sequence


def _root(kind: str) -> Element:
    return Element(f"MTConnect{kind}", xmlns=f"urn:mtconnect.org:MTConnect{kind}:{VERSION}")


def _header(observations: Observations, now: int, **more: int) -> dict[str, str]:
    return {
        "creationTime": timestamp(now),
        "sender": SENDER,
        "instanceId": str(observations.instance),
        "version": f"{VERSION}.0.0",
        "deviceModelChangeTime": timestamp(observations.instance),
        "bufferSize": str(observations.size),
        **{name: str(value) for name, value in more.items()},
    }


def _describe(parent: Element, device: str, items: Sequence[DataItem]) -> None:
    container = SubElement(parent, "DataItems")
    for item in items:
        attributes = {"category": item.category, "id": item.id(device), "name": item.name, "type": item.type}
        if item.units is not None:
            attributes["units"] = item.units
        if item.series:
            attributes |= {"representation": "TIME_SERIES", "sampleRate": str(RATE)}
        SubElement(container, "DataItem", attributes)


def _observe(parent: Element, device: str, item: DataItem, observation: Observation) -> None:
    attributes = {
        "dataItemId": item.id(device),
        "name": item.name,
        "sequence": str(observation.sequence),
        "timestamp": timestamp(observation.time),
    }
    value = observation.value
    if item.type in _OF_ASSETS:
        attributes["assetType"] = ""
    if item.series:
        count = 0 if isinstance(value, (str, float)) else len(value)
        attributes |= {"sampleCount": str(count)}
        if count:
            attributes |= {"sampleRate": str(RATE), "duration": f"{(count - 1) / RATE:g}"}
    text = str(value) if isinstance(value, (str, float)) else " ".join(map(repr, value.tolist()))
    SubElement(parent, item.element, attributes).text = text


def _bytes(root: Element) -> bytes:
    return bytes(tostring(root, encoding="UTF-8", xml_declaration=True))
