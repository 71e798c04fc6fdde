"""An encrypted broker that asks for the client's certificate, user and password."""

import datetime as dt
import ipaddress
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data_contracts.errors import ForewarnError, StorageError, UsageError
from pipelines.live.broker.broker_settings import BrokerSettings
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.broker.start_broker import free_port, mosquitto_program
from tests.live_broker import Subscribing

pytest.importorskip("paho.mqtt.client", reason="the extra forewarn[live] is not installed")
x509 = pytest.importorskip("cryptography.x509", reason="the extra forewarn[live] is not installed")
pytestmark = pytest.mark.skipif(
    mosquitto_program() is None or shutil.which("mosquitto_passwd") is None, reason="Mosquitto is not installed"
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerSettings]:
    """Run one that lets in only who has a certificate of its authority, a user and the password."""
    folder = tmp_path_factory.mktemp("tls")
    _certificates(folder)
    program = str(shutil.which("mosquitto_passwd"))
    subprocess.run([program, "-b", "-c", str(folder / "users"), "plant", "secret"], check=True)
    port = free_port()
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {folder}/users\nuser root\n"
        f"cafile {folder}/ca.pem\ncertfile {folder}/broker.pem\nkeyfile {folder}/broker.key\nrequire_certificate true\n"
    )
    process = subprocess.Popen(
        [str(mosquitto_program()), "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL
    )
    files = {"ca": folder / "ca.pem", "certificate": folder / "edge.pem", "key": folder / "edge.key"}
    settings = BrokerSettings(port=port, user="plant", password="secret", **files)  # noqa: S106
    try:
        _wait_for(settings)
        yield settings
    finally:
        process.terminate()
        process.wait(60)


def test_what_is_sent_encrypted_arrives(broker: BrokerSettings) -> None:
    """Publisher and subscriber log in with certificate, user and password, and the message is whole."""
    received: list[bytes] = []
    arrived = threading.Event()

    def take(_: object, message: object) -> None:
        received.append(bytes(message.payload))  # type: ignore[attr-defined]
        arrived.set()

    subscribing = Subscribing([("t/#", 1)])
    reader = connect(broker, "reader", on_message=take, on_connect=subscribing)
    subscribing.wait()
    sender = connect(broker, "sender")
    sender.publish("t/a", b"over TLS", qos=1).wait_for_publish(60)
    assert arrived.wait(60)
    disconnect(sender)
    disconnect(reader)
    assert received == [b"over TLS"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"password": "wrong"}, "refused the client"),
        ({"certificate": None, "key": None}, ""),
        ({"ca": None}, "certificate"),
        ({"ca": None, "certificate": None, "key": None}, ""),
    ],
    ids=["wrong password", "no certificate", "unknown authority", "not encrypted"],
)
def test_who_lacks_something_is_refused(broker: BrokerSettings, change: dict[str, None], found: str) -> None:
    """Each is an error that names the broker, within the patience given, and no traceback."""
    with pytest.raises((UsageError, StorageError), match=f"{broker.port}.*{found}"):
        connect(replace(broker, **change), "x", patience_s=30)


def _wait_for(settings: BrokerSettings) -> None:
    for _ in range(1200):
        try:
            disconnect(connect(settings, "first", patience_s=30))
        except ForewarnError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the broker does not answer")


def _certificates(folder: Path) -> None:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    authority_key, authority = ec.generate_private_key(ec.SECP256R1()), _name("authority")
    now = dt.datetime.now(dt.UTC)
    for name in ("ca", "broker", "edge"):
        key = authority_key if name == "ca" else ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(authority if name == "ca" else _name(name))
            .issuer_name(authority)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
        )
        certificate = builder.sign(authority_key, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"{name}.key").write_bytes(private)


def _name(common: str) -> "x509.Name":
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])
