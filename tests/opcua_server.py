"""A small OPC-UA server for tests, in a thread of its own: two machines, scalars and arrays."""

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.permission_rules import UserRole
from asyncua.server.user_managers import User
from cryptography.x509.oid import ExtendedKeyUsageOID

from pipelines.live.broker.start_broker import free_port

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
URI = "urn:forewarn:test"
ASSETS = ("press-1", "press-2")
CHANNELS = ("force", "speed")


@dataclass
class OpcuaTestServer:
    """A server whose variables a test writes."""

    port: int
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    server: Any = None
    nodes: dict[tuple[str, str], Any] = field(default_factory=dict)
    certificates: Path | None = None  # a folder for those of a server that takes encrypted connections of one user only

    @property
    def endpoint(self) -> str:
        """Return its address."""
        return f"opc.tcp://127.0.0.1:{self.port}/test"

    def write(self, asset: str, channel: str, microseconds: int, value: Any, status: int = 0) -> None:
        """Write a value with its source timestamp."""
        self.call(self._write(asset, channel, microseconds, value, status))

    def write_at_once(self, asset: str, channel: str, values: dict[int, float]) -> None:
        """Write values by their microseconds, all between two notifications, however slow the machine is."""

        async def write() -> None:
            for microseconds, value in values.items():  # nothing in it gives way to another task
                await self._write(asset, channel, microseconds, value, 0)

        self.call(write())

    def call(self, coroutine: Any, patience_s: float = 120) -> Any:
        """Run a coroutine in the server's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(patience_s)

    async def _write(self, asset: str, channel: str, microseconds: int, value: Any, status: int) -> None:
        time = EPOCH + timedelta(microseconds=microseconds)
        variant = ua.Variant(value, ua.VariantType.Double, is_array=isinstance(value, list))
        await self.server.write_attribute_value(
            self.nodes[asset, channel], ua.DataValue(variant, ua.StatusCode(status), SourceTimestamp=time)
        )

    async def start(self) -> None:
        """Start listening."""
        self.server = Server(user_manager=None if self.certificates is None else _OneUser())
        await self.server.init()
        self.server.set_endpoint(self.endpoint)
        if self.certificates is None:
            self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        else:
            await self._encrypt(self.certificates)
        index = await self.server.register_namespace(URI)
        for asset in ASSETS:
            machine = await self.server.nodes.objects.add_object(ua.NodeId(asset, index), f"{index}:{asset}")
            for channel in (*CHANNELS, *(f"{name}_samples" for name in CHANNELS)):
                array = channel.endswith("_samples")
                value = ua.Variant([] if array else 0.0, ua.VariantType.Double, is_array=array)
                node = await machine.add_variable(ua.NodeId(f"{asset}/{channel}", index), f"{index}:{channel}", value)
                unit = ua.EUInformation(DisplayName=ua.LocalizedText("kN" if "force" in channel else "rpm"))
                await node.add_property(ua.NodeId(f"{asset}/{channel}/eu", index), "0:EngineeringUnits", unit)
                self.nodes[asset, channel] = node.nodeid
        await self.server.start()

    async def _encrypt(self, folder: Path) -> None:
        self.server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        self.server.set_identity_tokens([ua.UserNameIdentityToken])
        await self.server.set_application_uri("urn:forewarn:test-server")
        key, certificate = folder / "server-key.pem", folder / "server.der"
        await setup_self_signed_certificate(
            key, certificate, "urn:forewarn:test-server", socket.gethostname(), [ExtendedKeyUsageOID.SERVER_AUTH], {}
        )
        await self.server.load_certificate(str(certificate))
        await self.server.load_private_key(str(key))

    async def stop(self) -> None:
        """Stop listening; subscriptions are lost."""
        await self.server.stop()


class _OneUser:
    """Lets in `forewarn` with the password `right`."""

    def get_user(self, _: Any, username: Any = None, password: Any = None, certificate: Any = None) -> User | None:
        """Return the user, or none."""
        del certificate
        return User(role=UserRole.User) if (username, password) == ("forewarn", "right") else None


async def make_client_certificate(folder: Path) -> None:
    """Make the certificate and key of a client."""
    await setup_self_signed_certificate(
        folder / "bridge-key.pem", folder / "bridge.der", "urn:plant:bridge", socket.gethostname(),
        [ExtendedKeyUsageOID.CLIENT_AUTH], {},
    )  # fmt: skip


@contextmanager
def running_opcua_server(port: int = 0, certificates: Path | None = None) -> Iterator[OpcuaTestServer]:
    """Run one during the block."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    server = OpcuaTestServer(port or free_port(), certificates=certificates)
    thread = threading.Thread(target=server.loop.run_forever, daemon=True)
    thread.start()
    server.call(server.start())
    try:
        yield server
    finally:
        with suppress(TimeoutError):  # its sessions may wait for a client that has gone already
            server.call(server.stop(), 30)
        server.loop.call_soon_threadsafe(server.loop.stop)
        thread.join(10)
