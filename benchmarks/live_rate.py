"""What the listener costs at the rate of 200 machines, and the highest rate it keeps up with.

    python benchmarks/live_rate.py --seconds 60 [--rate 160000] [--backlog 4000000]

Starts Mosquitto, `forewarn listen` and a publisher (one message a machine and second: 8 channels at 100 Hz), all on
this machine. Prints the listener's processor time (user and system) a second, its memory over time, the time from
publishing to the confirmation, bytes on disk a million samples, and how fast a backlog is stored.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.contract.contract_types import Column, Contract
from data_contracts.contract.registered import register
from data_contracts.workspace import init_workspace
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.broker.start_broker import MosquittoProcess, free_port
from pipelines.live.payloads.arrow_payload import encode_arrow
from pipelines.live.payloads.confirmations import decode_confirmation
from pipelines.live.payloads.message import TelemetryMessage
from pipelines.live.payloads.schemas import encode_schema, payload_schema

CHANNELS = [f"channel_{number}" for number in range(8)]
ROWS = 100
TIME = pa.timestamp("us", tz="UTC")
SCHEMA = payload_schema("bench", pa.schema([("event_time", TIME), *((name, pa.float32()) for name in CHANNELS)]))
TICKS = os.sysconf("SC_CLK_TCK")


def contract(max_rate: float | None) -> Contract:
    key = (
        Column("asset", "string", required=True),
        Column("event_time", "timestamp", required=True),
        Column("known_time", "timestamp", required=True),
        Column("source", "string", required=True, allowed=("physical", "simulation", "manual_override")),
    )
    channels = (
        Column(name, "number", minimum=-100.0, maximum=100.0, max_null_share=0.5, max_rate_per_second=max_rate)
        for name in CHANNELS
    )
    names = tuple(column.name for column in key)
    return Contract("bench", "1", "telemetry", (*key, *channels), names, asset_type="bench")


class Publisher:
    """Sends a second of every machine, and notes when each is confirmed."""

    def __init__(self, settings, machines: int) -> None:
        self.machines, self.lags, self.confirmed = machines, [], {}
        self._sent: dict[tuple[str, int], float] = {}
        self._epoch = int(time.time() * 1e6)
        self._random = np.random.default_rng(1)
        self._client = connect(
            settings,
            "bench",
            on_message=self._hear,
            on_connect=lambda each: each.subscribe("forewarn/confirmed/+", 0),
            in_flight=20_000,
        )
        self._client.publish(f"forewarn/schemas/{SCHEMA.id}", encode_schema(SCHEMA), qos=1, retain=True)

    def send(self, sequence: int) -> None:
        """Send a second of every machine."""
        start = int(time.time() * 1e6) - 1_000_000
        times = pa.array(start + np.arange(ROWS) * 10_000, TIME)
        now = time.time()
        for number in range(self.machines):
            asset = f"machine-{number:04d}"
            noise = self._random.standard_normal((len(CHANNELS), ROWS), dtype="f4")
            rows = pa.record_batch([times, *map(pa.array, noise)], schema=SCHEMA.columns)
            message = TelemetryMessage(asset, self._epoch, sequence, start, "bench", rows)
            self._sent[asset, sequence] = now
            self._client.publish(f"forewarn/telemetry/p1/{asset}", encode_arrow(message, SCHEMA), qos=1)

    def wait_until_confirmed(self, sequence: int, seconds: float) -> bool:
        """Wait until this second of every machine is stored; return whether it is."""
        ends = time.time() + seconds
        while time.time() < ends:
            if len(self.confirmed) == self.machines and min(self.confirmed.values()) >= sequence:
                return True
            time.sleep(0.05)
        return False

    def close(self) -> None:
        """Disconnect."""
        disconnect(self._client)

    def _hear(self, _, heard) -> None:
        asset, now = heard.topic.rpartition("/")[2], time.time()
        last = decode_confirmation(heard.payload).sequence
        for sequence in range(self.confirmed.get(asset, -1) + 1, last + 1):
            if (sent := self._sent.pop((asset, sequence), None)) is not None:
                self.lags.append(now - sent)
        self.confirmed[asset] = last


def usage(pid: int) -> tuple[float, float]:
    """Return a process's seconds of user and system time so far, and its memory in MiB."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return (int(fields[11]) + int(fields[12])) / TICKS, pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def start_listener(root: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", "listen", "--json", "-w", str(root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def wait_until_ready(port: int) -> None:
    for _ in range(1200):
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz"):
            return
        time.sleep(0.05)
    raise SystemExit("the listener does not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=160_000, help="samples a second")
    parser.add_argument("--backlog", type=int, default=0, help="samples that wait at the broker, afterwards")
    parser.add_argument("--max-rate-rule", action="store_true", help="limit every channel's rate of change too")
    options = parser.parse_args()
    machines = max(1, options.rate // (ROWS * len(CHANNELS)))
    with tempfile.TemporaryDirectory() as folder:
        workspace = init_workspace(Path(folder) / "ws")
        register(workspace.contracts, contract(1e9 if options.max_rate_rule else None), now=pd.Timestamp.now("UTC"))
        broker = MosquittoProcess(Path(folder), free_port())
        broker.start()
        port = free_port()
        (workspace.root / "forewarn.toml").write_text(f"[live]\nbroker_port = {broker.port}\nmetrics_port = {port}\n")
        listener = start_listener(workspace.root)
        wait_until_ready(port)
        publisher = Publisher(broker.settings, machines)
        try:
            publisher.send(0)
            assert publisher.wait_until_confirmed(0, 60), "the listener does not start"
            publisher.lags.clear()
            steady(publisher, listener.pid, options.seconds)
            size = sum(file.stat().st_size for file in Path(workspace.tables_url).rglob("bench/*.parquet"))
            stored = machines * ROWS * len(CHANNELS) * (options.seconds + 1)
            print(f"{size / stored * 1e6 / 1e6:.2f} MB on disk a million samples, before and after compaction together")
            if options.backlog:
                listener.terminate()
                listener.communicate()
                listener = drain(publisher, workspace.root, options)
        finally:
            listener.terminate()
            summary = json.loads(listener.communicate()[0])
            publisher.close()
            broker.stop()
        print({name: summary[name] for name in ("messages", "duplicates", "gaps", "failures", "flushes")})
        commit = summary["commit_seconds"] / max(summary["flushes"], 1)
        print(f"a commit takes {1e3 * commit:.0f} ms on average")


def steady(publisher: Publisher, pid: int, seconds: int) -> None:
    began, (cpu, _) = time.time(), usage(pid)
    for second in range(seconds):
        publisher.send(second + 1)
        time.sleep(max(0.0, began + second + 1 - time.time()))
        if (second + 1) % max(1, seconds // 10) == 0:
            used, memory = usage(pid)
            print(f"{second + 1:5d} s  {(used - cpu) / (time.time() - began):.3f} core  {memory:.0f} MiB", flush=True)
    behind = time.time() - began - seconds
    publisher.wait_until_confirmed(seconds, 60)
    used, memory = usage(pid)
    elapsed = time.time() - began
    lags = np.array(publisher.lags)
    print(
        f"{publisher.machines * ROWS * len(CHANNELS):,} samples/s for {seconds} s (publisher {behind:.1f} s late): "
        f"{(used - cpu) / elapsed:.3f} core, {memory:.0f} MiB; published to confirmed "
        f"p50 {np.percentile(lags, 50):.2f} s, p99 {np.percentile(lags, 99):.2f} s, max {lags.max():.2f} s",
        flush=True,
    )


def drain(publisher: Publisher, root: Path, options: argparse.Namespace) -> "subprocess.Popen[str]":
    first = options.seconds + 1
    seconds = max(1, options.backlog // (publisher.machines * ROWS * len(CHANNELS)))
    for second in range(seconds):
        publisher.send(first + second)
    time.sleep(2)
    listener = start_listener(root)
    while max(publisher.confirmed.values()) < first:
        time.sleep(0.02)
    began, (cpu, _) = time.time(), usage(listener.pid)
    at = min(publisher.confirmed.values())
    publisher.wait_until_confirmed(first + seconds - 1, 300)
    elapsed = time.time() - began
    samples = (first + seconds - 1 - at) * publisher.machines * ROWS * len(CHANNELS)
    used = usage(listener.pid)[0] - cpu
    print(f"a backlog of {samples:,} samples is stored at {samples / elapsed:,.0f}/s ({used / elapsed:.2f} core)")
    return listener


if __name__ == "__main__":
    main()
