"""A draft of a mapping, from what an agent says of its devices."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from data_contracts.errors import UsageError
from pipelines.live.mtconnect.agent_client import make_http_client, probe
from pipelines.live.mtconnect.documents import DataItem, Device, DocumentError
from pipelines.live.mtconnect.mtconnect_settings import AgentSection


@dataclass(frozen=True)
class Draft:
    """A mapping to edit."""

    text: str
    devices: int
    data_items: int

    def to_dict(self) -> dict[str, Any]:
        """Return the text and what it covers."""
        return {"mapping": self.text, "devices": self.devices, "data_items": self.data_items}


async def probe_draft(agent: AgentSection) -> Draft:
    """Probe an agent and return a draft of its mapping."""
    async with make_http_client(agent) as client:
        try:
            return written_draft(agent.url, await probe(client))
        except DocumentError as error:
            raise UsageError(
                f"{agent.url} sent {error}", "the documents of an MTConnect agent", "Give an agent's address"
            ) from error


def written_draft(url: str, devices: Iterable[Device]) -> Draft:
    """Write the samples of all devices, those that are alike together."""
    groups: dict[tuple[tuple[str, str, str | None], ...], list[str]] = {}
    count = 0
    for device in devices:
        samples = tuple(
            (_channel(item, device), _template(item, device), item.units)
            for item in device.items
            if item.category == "SAMPLE"
        )
        if samples:
            groups.setdefault(samples, []).append(device.name)
            count += len(samples)
    lines = [
        "# A draft: keep the channels that the contract has, name them as it does, and fill in what is empty.",
        'plant = "plant"',
        "",
        "[agent]",
        f"url = {json.dumps(url)}",
        "",
        "[spool]",
        'folder = "spool"',
        "",
        "[broker]",
        'host = "127.0.0.1"',
    ]
    for samples, names in groups.items():
        lines += [
            "",
            "[[machines]]",
            f"assets = {json.dumps(names, ensure_ascii=False)}",
            'asset_type = "machine"',
            "[machines.data_items]",
            *(f"{json.dumps(name)} = {json.dumps(template)}" for name, template, _ in samples),
            "[machines.units]",
            *(f"{json.dumps(name)} = {json.dumps(unit)}" for name, _, unit in samples if unit),
        ]
    return Draft("\n".join(lines) + "\n", sum(map(len, groups.values())), count)


def _channel(item: DataItem, device: Device) -> str:
    return item.label.replace(device.name, "").strip("._-/ ") or item.label


def _template(item: DataItem, device: Device) -> str:
    return item.label.replace(device.name, "{device}")
