"""A draft of a mapping, from what an agent says of its devices."""

from collections.abc import Iterable

from data_contracts.errors import UsageError
from pipelines.live.bridging.draft import Draft, DraftGroup, draft_text
from pipelines.live.mtconnect.agent_client import make_http_client, probe
from pipelines.live.mtconnect.documents import DataItem, Device, DocumentError
from pipelines.live.mtconnect.mtconnect_settings import AgentSection


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
    drafted = [
        DraftGroup(
            names,
            [(channel, template) for channel, template, _ in samples],
            [(channel, unit) for channel, _, unit in samples],
        )
        for samples, names in groups.items()
    ]
    text = draft_text("agent", "url", url, "data_items", drafted)
    return Draft(text, {"devices": sum(map(len, groups.values())), "data_items": count})


def _channel(item: DataItem, device: Device) -> str:
    return item.label.replace(device.name, "").strip("._-/ ") or item.label


def _template(item: DataItem, device: Device) -> str:
    return item.label.replace(device.name, "{device}")
