"""A draft of the contract of an asset type's telemetry, beside its interface."""

import json
from collections.abc import Iterator

from pipelines.importers.twins.description import TwinChannel, TwinType

_KEYS = """\
      - {name: asset, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: event_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 2}
      - {name: source, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 3}
      - {name: known_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 4}
"""


def contract_draft(kind: TwinType, interface: str) -> str:
    """Write a contract that takes its channels from the file of an interface beside it."""
    return "".join(f"{line}\n" for line in _lines(kind, interface))


def _lines(kind: TwinType, interface: str) -> Iterator[str]:
    yield "# From a twin's description. A start: DECIDE marks what only somebody who knows the machines can say."
    yield "apiVersion: v3.1.0"
    yield "kind: DataContract"
    yield f"id: own.telemetry_{kind.name}"
    yield f"name: telemetry_{kind.name}"
    yield "version: 1.0.0"
    yield "status: draft"
    yield "customProperties:"
    yield f"  - {{property: assetType, value: {kind.name}}}"
    yield "  # Names, units and descriptions of the channels come from there."
    yield f"  - {{property: twinInterface, value: {json.dumps(interface)}}}"
    renamed = [f"{json.dumps(_last(each), ensure_ascii=False)}: {each.name}" for each in _renamed(kind)]
    if renamed:
        yield "  # What the description calls the channels; DECIDE: do the files?"
        yield f"  - {{property: fileLayout, value: {{rename: {{{', '.join(renamed)}}}}}}}"
    yield "# DECIDE: how old may the latest reading be? A machine that is silent for longer is not scored as if it ran."
    yield "# slaProperties:"
    yield "#   - {property: latency, value: 1, unit: d}"
    yield "schema:"
    yield "  - name: telemetry"
    yield "    logicalType: object"
    yield "    properties:"
    yield from _KEYS.rstrip("\n").split("\n")
    without = [each.name for each in kind.channels if each.unit is None]
    if without:
        yield f"      # DECIDE: the units of {', '.join(without)} are not known; unitSymbol in the interface names one."
    for channel in kind.channels:
        yield from _channel(channel)


def _channel(channel: TwinChannel) -> Iterator[str]:
    unit = f" [{channel.unit}]" if channel.unit else ""
    limits = {"minimum": channel.minimum, "maximum": channel.maximum}
    stated = [f"{name}: {value!r}" for name, value in limits.items() if value is not None]
    if stated:
        yield f"      - name: {channel.name}"
        yield f"        logicalTypeOptions: {{{', '.join(stated)}}}"
    else:
        yield f"      # DECIDE: the limits of {channel.name}{unit}."
        yield f"      # - name: {channel.name}"
        yield "      #   logicalTypeOptions: {minimum: 0, maximum: 100}"


def _renamed(kind: TwinType) -> Iterator[TwinChannel]:
    """Return the channels that the description calls otherwise, if no two have one name there."""
    theirs = [_last(each) for each in kind.channels]
    names = {each.name for each in kind.channels}
    for each in kind.channels:
        if _last(each) not in names and theirs.count(_last(each)) == 1:
            yield each


def _last(channel: TwinChannel) -> str:
    return channel.source.rpartition("/")[2]
