"""Connections to a broker: MQTT 5, or 3.1.1 where the broker knows nothing newer."""

import select
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_contracts.errors import ForewarnError, StorageError, UsageError
from pipelines.live.broker.broker_settings import BrokerSettings

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

_LONGEST_PAUSE_S = 15
_PATIENCE_S = 15.0
_REFUSED_PROTOCOL = 132  # MQTT 5, section 3.2.2.2


def connect(
    settings: BrokerSettings,
    client_id: str,
    *,
    on_message: "Callable[[Client, MQTTMessage], None] | None" = None,
    on_connect: "Callable[[Client], None] | None" = None,
    on_disconnect: Callable[[str], None] | None = None,
    may_connect: Callable[[], None] = lambda: None,
    session_s: int = 0,
    receive_maximum: int | None = None,
    manual_ack: bool = False,
    in_flight: int = 20,
    will: tuple[str, bytes] | None = None,
    will_retained: bool = True,
    patience_s: float = _PATIENCE_S,
) -> "Client":
    """Connect, and return the client once the broker has accepted it; it connects again by itself from then on.

    `on_connect` is called at every connection, before any message of it; `may_connect` before one is made, and
    keeps from it with a `ForewarnError`: of two with one name the broker would hang up on the other. With
    `session_s` the broker keeps the session that long while the client is away; `receive_maximum` bounds what it
    sends without an acknowledgement, `in_flight` what the client sends without one. `will` is a topic and payload
    that the broker publishes if the client vanishes, retained unless `will_retained` is false. `StorageError` if
    the broker is out of reach, `UsageError` if it refuses the client, both within `patience_s`.
    """
    paho = _paho()
    for protocol in (paho.MQTTv5, paho.MQTTv311):
        client = _client(protocol, settings, client_id, manual_ack=manual_ack, keeps_session=session_s > 0)
        client.max_inflight_messages_set(in_flight)
        if will is not None:
            client.will_set(will[0], will[1], qos=1, retain=will_retained)
        first = _FirstAnswer()
        client.on_connect = _connected(first, on_connect)
        client.on_disconnect = _disconnected(first, on_disconnect)
        client.on_pre_connect = _allowed(may_connect)
        if on_message is not None:
            client.on_message = lambda source, _, message: on_message(source, message)
        _open(client, settings, _connect_options(protocol, session_s, receive_maximum))
        client.loop_start()
        if first.arrived.wait(patience_s) and first.code == 0:
            return client
        client.disconnect()
        client.loop_stop()
        # One that knows nothing of version 5 says so, or hangs up at what it cannot read.
        if (first.code == _REFUSED_PROTOCOL or first.hung_up) and protocol == paho.MQTTv5:
            continue
        raise _refused(settings, client_id, first)
    raise AssertionError("unreachable")


def disconnect(client: "Client") -> None:
    """Say good-bye and end the client's thread; the session stays at the broker as long as was asked for."""
    client.disconnect()
    client.loop_stop()


def speaks_mqtt5(client: "Client") -> bool:
    """Return whether a connection is of MQTT 5."""
    return bool(client.protocol == _paho().MQTTv5)


@dataclass(frozen=True)
class ServerLimits:
    """What a broker said on accepting a client: unacknowledged messages and bytes of one that it takes at most."""

    receive_maximum: int = 65_535
    packet_bytes: int | None = None


def server_limits(client: "Client") -> ServerLimits:
    """Return what the broker said when it accepted the client."""
    limits = client.user_data_get()
    return limits if isinstance(limits, ServerLimits) else ServerLimits()


def need_extra(name: str) -> UsageError:
    """Return the error for a package of the extra that is not installed."""
    return UsageError(
        f"live telemetry needs {name}, which is not installed",
        "the packages of the extra forewarn[live]",
        "pip install 'forewarn[live]'",
    )


class _FirstAnswer:
    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.code: int | None = None
        self.hung_up = False
        self.words = "no answer"


def _paho() -> Any:
    try:
        import paho.mqtt.client as paho
    except ImportError as error:
        raise need_extra("paho-mqtt") from error
    return paho


def _client(
    protocol: int, settings: BrokerSettings, client_id: str, *, manual_ack: bool, keeps_session: bool
) -> "Client":
    paho = _paho()
    # MQTT 5 says so for each connection, 3.1.1 for the client.
    clean = None if protocol == paho.MQTTv5 else not keeps_session
    client: Client = paho.Client(
        paho.CallbackAPIVersion.VERSION2, client_id, clean_session=clean, protocol=protocol, manual_ack=manual_ack
    )
    if settings.user is not None:
        client.username_pw_set(settings.user, settings.password)
    context = settings.tls_context()
    if context is not None:
        client.tls_set_context(context)
    client.reconnect_delay_set(1, _LONGEST_PAUSE_S)
    return client


def _connect_options(protocol: int, session_s: int, receive_maximum: int | None) -> dict[str, Any]:
    if protocol != _paho().MQTTv5:
        return {}
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = session_s
    if receive_maximum is not None:
        properties.ReceiveMaximum = receive_maximum
    return {"clean_start": session_s == 0, "properties": properties}


def _open(client: "Client", settings: BrokerSettings, options: dict[str, Any]) -> None:
    try:
        client.connect(settings.host, settings.port, keepalive=settings.keep_alive_s, **options)
    except (OSError, ValueError) as error:
        raise StorageError(
            f"the broker at {settings.address} is out of reach ({error})",
            "an MQTT broker that answers there",
            "Start it, or fix host, port and tls in the section [live]",
        ) from error
    try:
        # As paho waits: it would connect, and be cut off, for ever.
        select.select([each for each in (client.socket(),) if each is not None], [], [], 0)
    except ValueError as error:
        client.disconnect()
        raise StorageError(
            f"the broker at {settings.address} cannot be waited for: this process has too many files open ({error})",
            "fewer open files than select() can wait for, which are 1,024",
            "Run the listener in a process of its own; restart this one",
        ) from error


def _allowed(may_connect: Callable[[], None]) -> Callable[..., None]:
    def on_pre_connect(*_: Any) -> None:
        try:
            may_connect()
        except ForewarnError as error:
            raise ConnectionRefusedError(str(error)) from error  # as if it were the broker's: tried again later

    return on_pre_connect


def _connected(first: _FirstAnswer, then: "Callable[[Client], None] | None") -> Callable[..., None]:
    def on_connect(client: "Client", _: Any, __: Any, code: Any, properties: Any) -> None:
        client.user_data_set(
            ServerLimits(
                getattr(properties, "ReceiveMaximum", ServerLimits.receive_maximum),
                getattr(properties, "MaximumPacketSize", None),
            )
        )
        if first.code is None:
            first.code, first.words = int(code.value), str(code)
        if not code.is_failure and then is not None:
            then(client)
        first.arrived.set()

    return on_connect


def _disconnected(first: _FirstAnswer, then: Callable[[str], None] | None) -> Callable[..., None]:
    def on_disconnect(_: Any, __: Any, ___: Any, code: Any, ____: Any) -> None:
        if first.code is None:
            first.hung_up = True
            first.arrived.set()
        elif then is not None and first.code == 0:  # what was refused was no connection: the next version may be one
            then(str(code))

    return on_disconnect


def _refused(settings: BrokerSettings, client_id: str, first: _FirstAnswer) -> Exception:
    if first.code is None:
        return StorageError(
            f"the broker at {settings.address} does not answer",
            "an MQTT broker, encrypted where tls is set",
            "See its log; fix host, port and tls in the section [live]",
        )
    return UsageError(
        f"the broker at {settings.address} refused the client {client_id!r} ({first.words})",
        "a user, password or certificate that it accepts",
        "Fix user and password_file, or certificate and key, in the section [live]",
    )
