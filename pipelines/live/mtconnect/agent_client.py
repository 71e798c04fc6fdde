"""HTTP to an agent: its documents, or what is wrong."""

from typing import TYPE_CHECKING

from data_contracts.errors import StorageError, UsageError
from pipelines.live.mtconnect.documents import (
    Device,
    DocumentError,
    Observation,
    StreamHeader,
    read_devices,
    read_streams,
)
from pipelines.live.mtconnect.mtconnect_settings import AgentSection

if TYPE_CHECKING:
    import httpx


def make_http_client(agent: AgentSection) -> "httpx.AsyncClient":
    """Return a client; `UsageError` if the certificates cannot be read or the extra is not installed."""
    import ssl

    import httpx

    try:
        import defusedxml  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "MTConnect needs defusedxml, which is not installed",
            "the packages of the extra forewarn[live]",
            "pip install 'forewarn[live]'",
        ) from error
    try:
        verify = True if agent.ca is None else ssl.create_default_context(cafile=agent.ca)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{agent.ca} cannot be read ({error})", "certificates in PEM", "Fix ca") from error
    return httpx.AsyncClient(base_url=agent.url.rstrip("/"), timeout=agent.answer_within.total_seconds(), verify=verify)


async def probe(client: "httpx.AsyncClient") -> list[Device]:
    """Return the agent's devices."""
    return read_devices(await _get(client, "/probe"))


async def current(client: "httpx.AsyncClient") -> tuple[StreamHeader, list[Observation]]:
    """Return the latest observation of every data item."""
    return read_streams(await _get(client, "/current"))


async def sample(client: "httpx.AsyncClient", first: int, count: int) -> tuple[StreamHeader, list[Observation]]:
    """Return the observations from a sequence number on; DocumentError with OUT_OF_RANGE if they are gone."""
    return read_streams(await _get(client, f"/sample?from={first}&count={count}"))


async def _get(client: "httpx.AsyncClient", path: str) -> bytes:
    import httpx

    try:
        response = await client.get(path)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise out_of_reach(str(client.base_url), str(error) or type(error).__name__) from error
    # Agents send error documents with status 200, 400 or 404, by their version.
    if response.status_code >= 500 or (response.status_code >= 400 and b"MTConnectError" not in response.content):
        raise DocumentError(f"HTTP status {response.status_code}")
    return response.content


def out_of_reach(url: str, reason: str) -> StorageError:
    """Return the error for an agent that does not answer."""
    return StorageError(
        f"the MTConnect agent at {url} is out of reach ({reason})",
        "an agent that answers there",
        "Start it, or fix url in the section [agent]",
    )
