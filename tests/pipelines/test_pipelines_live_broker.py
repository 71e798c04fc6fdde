"""Brokers: connections of both versions of MQTT, persistent sessions, and what is said when one is out of reach."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from data_contracts.errors import StorageError, UsageError
from pipelines.live.broker.broker_settings import PASSWORD_VARIABLE, BrokerSettings, read_password
from pipelines.live.broker.connection import connect, disconnect, speaks_mqtt5
from pipelines.live.broker.start_broker import AmqttProcess, free_port, mosquitto_program, start_broker

paho = pytest.importorskip("paho.mqtt.client", reason="the extra forewarn[live] is not installed")


def _collector(wanted: int):
    received, enough = [], threading.Event()

    def on_message(_, message):
        received.append((message.topic, message.payload))
        if len(received) >= wanted:
            enough.set()

    return received, enough, on_message


def _send(settings: BrokerSettings, *payloads: bytes, topic: str = "t/a") -> None:
    client = connect(settings, "sender")
    for payload in payloads:
        client.publish(topic, payload, qos=1).wait_for_publish(60)
    disconnect(client)


@pytest.mark.parametrize("embedded", [False, True], ids=["found", "embedded"])
def test_messages_pass_through_whichever_broker_is_started(tmp_path, embedded):
    """Mosquitto where it is installed, else amqtt, which knows MQTT 3.1.1 only."""
    with start_broker(tmp_path / "broker", embedded=embedded) as settings:
        received, enough, on_message = _collector(2)
        lost: list[str] = []
        client = connect(
            settings,
            "x",
            on_message=on_message,
            on_connect=lambda each: each.subscribe("t/#", qos=1),
            on_disconnect=lost.append,
        )
        assert speaks_mqtt5(client) or embedded
        assert not lost  # that MQTT 5 was refused is no connection lost
        _send(settings, b"1", b"2")
        assert enough.wait(60)
        disconnect(client)
    assert received == [("t/a", b"1"), ("t/a", b"2")]


def test_too_many_open_files_are_named(tmp_path):
    """Paho waits by select(), which knows 1,024 files at most, whatever the limit of the process."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with start_broker(tmp_path / "broker") as settings:
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, limits[1]))
        opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        try:
            with pytest.raises(StorageError, match="too many files open"):
                connect(settings, "x")
        finally:
            for each in opened:
                os.close(each)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        disconnect(connect(settings, "x"))


def test_the_embedded_broker_answers_a_version_that_it_does_not_know_at_once(tmp_path):
    """It must not wait for more of what it cannot read: every client tries MQTT 5 first."""
    newer = b"\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x00\x00\x00\x01x"
    with (
        start_broker(tmp_path / "broker", embedded=True) as broker,
        socket.create_connection((broker.host, broker.port), timeout=60) as client,
    ):
        client.sendall(newer)
        assert client.recv(4, socket.MSG_WAITALL) == b"\x20\x02\x00\x01"  # unacceptable protocol version


def test_without_mosquitto_a_power_cut_is_noticed_at_once_and_over_when_it_is_over(tmp_path):
    """Who is connected to the broker hears of its end, and connects again by itself; no trace of it is printed."""
    broker, lost, back = AmqttProcess(tmp_path, free_port()), threading.Event(), threading.Event()
    broker.start()
    try:
        client = connect(broker.settings, "x", on_connect=lambda _: back.set(), on_disconnect=lambda _: lost.set())
        back.clear()
        broker.kill()
        assert lost.wait(60)
        assert broker.process is not None
        assert broker.process.returncode == -signal.SIGKILL
        broker.start()
        assert back.wait(60)
        disconnect(client)
    finally:
        broker.stop()
    assert "Traceback" not in (tmp_path / "amqtt.log").read_text()


def test_without_mosquitto_the_broker_ends_with_who_started_it(tmp_path):
    """Even if that was killed; Ctrl-C, which goes to everybody in a terminal, ends it last."""
    program = (
        "import pathlib, sys, time; from pipelines.live.broker.start_broker import AmqttProcess, free_port; "
        f"broker = AmqttProcess(pathlib.Path({str(tmp_path)!r}), free_port()); broker.start(); "
        "print(broker.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert os.getpgid(pid) != os.getpgid(parent.pid)
        parent.kill()
    ends = time.monotonic() + 60
    while _runs(pid) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_session_keeps_what_arrives_meanwhile(mosquitto):
    """What nobody acknowledged is delivered again to the client that comes back, in order."""
    received, enough, on_message = _collector(2)
    options = {"session_s": 300, "receive_maximum": 100, "manual_ack": True}
    subscribe = lambda each: each.subscribe("t/#", qos=1)  # noqa: E731
    disconnect(connect(mosquitto.settings, "x", on_connect=subscribe, **options))
    _send(mosquitto.settings, b"1", b"2")
    for _ in range(2):
        received.clear()
        enough.clear()
        client = connect(mosquitto.settings, "x", on_message=on_message, on_connect=subscribe, **options)
        assert enough.wait(60)
        disconnect(client)
        assert [payload for _, payload in received] == [b"1", b"2"]


def test_a_connection_comes_back_after_the_broker_did(mosquitto):
    """A broker that is killed and started again finds its client connected again, and says so to it."""
    connected, gone = threading.Semaphore(0), threading.Event()
    client = connect(
        mosquitto.settings,
        "x",
        on_connect=lambda _: connected.release(),
        on_disconnect=lambda _: gone.set(),
    )
    assert connected.acquire(timeout=60)
    mosquitto.kill()
    assert gone.wait(60)
    mosquitto.start()
    assert connected.acquire(timeout=60)
    disconnect(client)


def test_a_broker_out_of_reach_is_named():
    """The address stands in the error, and what to fix."""
    settings = BrokerSettings(port=free_port(), password="secret")  # noqa: S106
    with pytest.raises(StorageError, match=rf"mqtt://127.0.0.1:{settings.port} is out of reach"):
        connect(settings, "x")
    assert "secret" not in repr(settings)


@pytest.mark.skipif(mosquitto_program() is None, reason="Mosquitto is not installed")
def test_a_wrong_password_is_refused(tmp_path):
    """A broker that knows its users refuses others at once, instead of trying for ever."""
    users, port = tmp_path / "users", free_port()
    users.write_text("")
    configuration = tmp_path / "strict.conf"
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {users}\nuser root\n")
    process = subprocess.Popen([mosquitto_program(), "-c", str(configuration)], stderr=subprocess.DEVNULL)
    try:
        with pytest.raises(UsageError, match="refused the client 'x'"):
            _until_up(lambda: connect(BrokerSettings(port=port, user="u", password="p"), "x"))  # noqa: S106
    finally:
        process.terminate()
        process.wait(60)


def _until_up(attempt):
    for _ in range(1200):
        try:
            return attempt()
        except StorageError:
            time.sleep(0.05)
    return attempt()


def test_the_password_comes_from_the_environment_or_a_file(tmp_path):
    """The environment wins over the file; an empty or missing file is an error that names both."""
    file = tmp_path / "password"
    file.write_text("from the file\n")
    assert read_password(file, {}) == "from the file"
    assert read_password(file, {PASSWORD_VARIABLE: "from outside"}) == "from outside"
    assert read_password(None, {}) is None
    file.write_text("\n")
    with pytest.raises(UsageError, match="is empty"):
        read_password(file, {})
    with pytest.raises(UsageError, match=PASSWORD_VARIABLE):
        read_password(tmp_path / "missing", {})


def test_files_for_encryption_that_cannot_be_used_are_named(tmp_path):
    """A certificate that is none stops the connection before it is opened."""
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(UsageError, match=r"ca\.pem"):
        BrokerSettings(ca=tmp_path / "ca.pem").tls_context()
    assert BrokerSettings().tls_context() is None
    assert BrokerSettings(tls=True).address == "mqtts://127.0.0.1:1883"
