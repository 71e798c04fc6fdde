"""What the listener costs at the rate of 200 machines, and the highest rate it keeps up with.

    python benchmarks/live_rate.py --seconds 60 [--rate 160000] [--indicators] [--backlog 4000000] [--listeners 2]

Starts Mosquitto, `forewarn listen` and a publisher (one message a machine and second: 8 channels at 100 Hz), all on
this machine; with --listeners so many, each of a partition, whose figures are then added up. Prints the processor time
(user and system) a second of each, beside the load of the machine, the listener's memory over time, the time from
publishing to the confirmation, bytes on disk a million samples, and how fast a backlog is stored. With --indicators
the listener computes ten features a channel of windows of ten seconds, and how long after the windows' ends they are
stored is printed too.
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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.contract.contract_types import Column, Contract
from data_contracts.contract.registered import register
from data_contracts.tables import tables
from data_contracts.workspace import Workspace, init_workspace
from features.indicators.plan import IndicatorPlan
from pipelines.indicators.definitions import define
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
INDICATORS = IndicatorPlan(
    name="bench_10s",
    asset_type="bench",
    window=pd.Timedelta("10s"),
    features=(
        "mean",
        "standard_deviation",
        "minimum",
        "maximum",
        "median",
        "root_mean_square",
        "skewness",
        "kurtosis",
        "quantile__q_0.9",
        'linear_trend__attr_"slope"',
    ),
)


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


@dataclass(frozen=True)
class Usage:
    """Seconds of processor time so far, user and system, at a time."""

    at: float
    listener: float
    broker: float
    publisher: float

    def since(self, before: "Usage") -> str:
        """Return the share of a core of each process since an earlier time."""
        elapsed = self.at - before.at
        shares = {name: (getattr(self, name) - getattr(before, name)) / elapsed for name in PROCESSES}
        return ", ".join(f"{name} {share:.3f}" for name, share in shares.items()) + " core"


PROCESSES = ("listener", "broker", "publisher")


def usage(listeners: "list[Process]", broker: int) -> Usage:
    return Usage(time.time(), sum(seconds_of(each.pid) for each in listeners), *map(seconds_of, (broker, os.getpid())))


def seconds_of(pid: int) -> float:
    """Return a process's seconds of user and system time so far; of its children only those that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def memory(pid: int) -> str:
    """Return a process's memory: all, and what is its own and no file's."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    resident, anonymous = (int(lines[name].split()[0]) / 2**10 for name in ("Rss", "Anonymous"))
    return f"{resident:.0f} MiB ({anonymous:.0f} its own)"


Process = subprocess.Popen[str]


def start_listeners(root: Path, number: int) -> list[Process]:
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", "listen", "--json", "-w", str(root)]
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    return [subprocess.Popen(command, stdout=pipe, stderr=none, text=True) for _ in range(number)]


def wait_until_ready(*ports: int) -> None:
    for _ in range(1200):
        if all(map(is_ready, ports)):
            return
        time.sleep(0.05)
    raise SystemExit("the listeners do not start")


def is_ready(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz"):
        return True
    return False


def end(listeners: list[Process]) -> list[dict]:
    """End listeners; return their summaries."""
    for listener in listeners:
        listener.terminate()
    return [json.loads(listener.communicate()[0]) for listener in listeners]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=160_000, help="samples a second")
    parser.add_argument("--backlog", type=int, default=0, help="samples that wait at the broker, afterwards")
    parser.add_argument("--listeners", type=int, default=1, help="as many partitions")
    parser.add_argument("--indicators", action="store_true", help="ten features a channel of windows of ten seconds")
    parser.add_argument("--max-rate-rule", action="store_true", help="limit every channel's rate of change too")
    options = parser.parse_args()
    machines = max(1, options.rate // (ROWS * len(CHANNELS)))
    with tempfile.TemporaryDirectory() as folder:
        workspace = init_workspace(Path(folder) / "ws")
        register(workspace.contracts, contract(1e9 if options.max_rate_rule else None), now=pd.Timestamp.now("UTC"))
        if options.indicators:
            define(workspace, INDICATORS, now=pd.Timestamp.now("UTC"))
        broker = MosquittoProcess(Path(folder), free_port())
        broker.start()
        port = free_port()
        (workspace.root / "forewarn.toml").write_text(
            f"[live]\nbroker_port = {broker.port}\nmetrics_port = {port}\npartitions = {options.listeners}\n"
        )
        listeners = start_listeners(workspace.root, options.listeners)
        wait_until_ready(*range(port, port + options.listeners))
        publisher = Publisher(broker.settings, machines)
        try:
            publisher.send(0)
            assert publisher.wait_until_confirmed(0, 60), "the listener does not start"
            publisher.lags.clear()
            steady(publisher, listeners, broker.process.pid, options.seconds)
            size = sum(file.stat().st_size for file in Path(workspace.tables_url).rglob("bench/*.parquet"))
            stored = machines * ROWS * len(CHANNELS) * (options.seconds + 1)
            print(f"{size / stored * 1e6 / 1e6:.2f} MB on disk a million samples, before and after compaction together")
            if options.indicators:
                print_delays(workspace)
            if options.backlog:
                print(*map(followed, end(listeners)))
                listeners = drain(publisher, workspace.root, broker.process.pid, options)
        finally:
            summaries = end(listeners)
            publisher.close()
            broker.stop()
        for summary in summaries:
            print(followed(summary))
            commit = summary["commit_seconds"] / max(summary["flushes"], 1)
            print(f"a commit takes {1e3 * commit:.0f} ms on average")


def followed(summary: dict) -> dict:
    """Return what is worth knowing of a listener's summary."""
    names = ("messages", "others", "duplicates", "gaps", "failures", "flushes")
    after = {name: summary["followed"][name] for name in ("windows", "failures", "behind_seconds")}
    return {**{name: summary[name] for name in names}, "followed": after}


def print_delays(workspace: Workspace) -> None:
    """Print how long after their windows' ends indicators are there."""
    table = INDICATORS.table
    windows = tables.read(workspace, table)
    stored = Path(workspace.tables_url, table, "_delta_log").glob("*.json")
    at = {int(file.stem): file.stat().st_mtime for file in stored}
    ends = windows["event_time"].astype("int64") / 1e6
    delays = (windows["stored_version"].map(at) - ends).iloc[windows["asset"].nunique() :]
    values = windows.drop(columns=["asset", "event_time", "known_time", "source", "stored_version"])
    empty = values.isna().to_numpy().mean()
    print(
        f"{len(windows):,} windows of {values.shape[1]} indicators, {empty:.1%} of them without a value; "
        f"stored after their ends p50 {delays.quantile(0.5):.2f} s, p99 {delays.quantile(0.99):.2f} s"
    )


def steady(publisher: Publisher, listeners: list[Process], broker: int, seconds: int) -> None:
    before = usage(listeners, broker)
    began = before.at
    for second in range(seconds):
        publisher.send(second + 1)
        time.sleep(max(0.0, began + second + 1 - time.time()))
        if (second + 1) % max(1, seconds // 10) == 0:
            used, memories = usage(listeners, broker).since(before), ", ".join(memory(each.pid) for each in listeners)
            print(f"{second + 1:5d} s  {used}  {memories}  load {os.getloadavg()[0]:.1f}", flush=True)
    behind = time.time() - began - seconds
    publisher.wait_until_confirmed(seconds, 60)
    lags, after = np.array(publisher.lags), usage(listeners, broker)
    samples = publisher.machines * ROWS * len(CHANNELS) * seconds
    print(
        f"{publisher.machines * ROWS * len(CHANNELS):,} samples/s for {seconds} s (publisher {behind:.1f} s late): "
        f"{after.since(before)}; {(after.listener - before.listener) / samples * 1e6:.3f} s of the listeners a million "
        f"samples; load {os.getloadavg()[0]:.1f}; published to confirmed "
        f"p50 {np.percentile(lags, 50):.2f} s, p99 {np.percentile(lags, 99):.2f} s, max {lags.max():.2f} s",
        flush=True,
    )


def drain(publisher: Publisher, root: Path, broker: int, options: argparse.Namespace) -> list[Process]:
    first = options.seconds + 1
    seconds = max(1, options.backlog // (publisher.machines * ROWS * len(CHANNELS)))
    for second in range(seconds):
        publisher.send(first + second)
    time.sleep(2)
    listeners = start_listeners(root, options.listeners)
    while max(publisher.confirmed.values()) < first:
        time.sleep(0.02)
    before, confirmed = usage(listeners, broker), sum(publisher.confirmed.values())
    publisher.wait_until_confirmed(first + seconds - 1, 300)
    after = usage(listeners, broker)
    samples = (sum(publisher.confirmed.values()) - confirmed) * ROWS * len(CHANNELS)
    rate = samples / (after.at - before.at)
    used = (after.listener - before.listener) / samples * 1e6
    print(
        f"a backlog of {samples:,} samples is stored at {rate:,.0f}/s ({after.since(before)}; "
        f"{used:.3f} s of the listeners a million; load {os.getloadavg()[0]:.1f})"
    )
    return listeners


if __name__ == "__main__":
    main()
