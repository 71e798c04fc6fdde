"""How much a bridge carries over OPC-UA: arrays of a second each, and single values at 10 ms.

    python benchmarks/bench_opcua.py arrays --machines 200 --seconds 30
    python benchmarks/bench_opcua.py scalars --rates 800 1600 3200 6400 --seconds 20

A server (asyncua) in another process writes; the bridge in this one reads, spools and publishes to a Mosquitto, and a
third process confirms, as the ingester does. Readings that arrived are compared with those that were written, by number
and by value; CPU is of the bridge's process with all its threads, and of the server's.
"""

import argparse
import asyncio
import logging
import multiprocessing
import os
import resource
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHANNELS = tuple(f"channel_{number}" for number in range(8))
URI = "urn:forewarn:bench"
SETTLE_S = 6.0


def serve(port: int, machines: int, channels: int, seconds: float, arrays: bool, go: Any, result: Any) -> None:
    """Run a server that writes at 100 Hz, or arrays of 100 at 1 Hz, once `go` is set."""
    logging.disable(logging.CRITICAL)
    asyncio.run(_serve(port, machines, channels, seconds, arrays, go, result))


async def _serve(port: int, machines: int, channels: int, seconds: float, arrays: bool, go: Any, result: Any) -> None:
    from asyncua import Server, ua

    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/bench")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(URI)
    folder = await server.nodes.objects.add_object(ua.NodeId("bench", index), f"{index}:bench")
    nodes = []
    for machine in range(machines):
        for channel in CHANNELS[:channels]:
            name = f"m{machine:03d}/{channel}"
            value = ua.Variant([] if arrays else 0.0, ua.VariantType.Double, is_array=arrays)
            nodes.append((await folder.add_variable(ua.NodeId(name, index), f"{index}:{name}", value)).nodeid)
    async with server:
        result.put("ready")
        await asyncio.to_thread(go.wait)  # until the bridge has subscribed
        written, began, cpu = 0, time.time(), time.process_time()
        step = 1.0 if arrays else 0.01
        rounds = int(seconds / step)
        for number in range(rounds):
            at = EPOCH + timedelta(seconds=round(began) + number * step)
            values = [number + item / 100 for item in range(100)] if arrays else float(number)
            for position, node in enumerate(nodes):
                if position % 50 == 49:
                    await asyncio.sleep(0)  # the server sends in the same loop
                variant = ua.Variant(values, ua.VariantType.Double, is_array=arrays)
                await server.write_attribute_value(node, ua.DataValue(variant, SourceTimestamp=at))
            written += len(nodes) * (100 if arrays else 1)
            await asyncio.sleep(max(0.0, began + (number + 1) * step - time.time()))
        elapsed, used = time.time() - began, time.process_time() - cpu
        await asyncio.sleep(SETTLE_S)
        result.put((written, elapsed, used))
        await asyncio.sleep(SETTLE_S)


def confirm(port: int) -> None:
    """Confirm every message, as the ingester does once it is stored."""
    from pipelines.live.broker.broker_settings import BrokerSettings
    from pipelines.live.broker.connection import connect
    from pipelines.live.payloads.arrow_payload import HEADER
    from pipelines.live.payloads.confirmations import Confirmation, encode_confirmation

    def on_message(client: Any, message: Any) -> None:
        fields = HEADER.unpack_from(message.payload)
        asset = message.topic.rpartition("/")[2]
        client.publish(
            f"forewarn/confirmed/{asset}", encode_confirmation(Confirmation(fields[5], fields[6])), qos=1, retain=True
        )

    connect(
        BrokerSettings(port=port),
        "confirmer",
        on_message=on_message,
        on_connect=lambda client: client.subscribe("forewarn/telemetry/#", qos=1),
    )
    time.sleep(3600)


def measure(machines: int, channels: int, seconds: float, *, arrays: bool) -> None:
    from pipelines.live.bridging.bridge import run_bridge
    from pipelines.live.broker.start_broker import free_port, start_broker
    from pipelines.live.opcua.opcua_bridge import opcua_bridge
    from pipelines.live.opcua.opcua_settings import read_opcua_mapping

    context = multiprocessing.get_context("spawn")
    go, result, port = context.Event(), context.Queue(), free_port()
    arguments = (port, machines, channels, seconds, arrays, go, result)
    server = context.Process(target=serve, args=arguments, daemon=True)
    server.start()
    with tempfile.TemporaryDirectory() as name, start_broker(Path(name) / "broker") as broker:
        confirmer = context.Process(target=confirm, args=(broker.port,), daemon=True)
        confirmer.start()
        result.get(timeout=300)
        file = Path(name) / "map.toml"
        file.write_text(_mapping(port, broker.port, Path(name), machines, channels, arrays=arrays))
        bridge = opcua_bridge(read_opcua_mapping(file))
        source: list[Any] = []
        make_source = bridge.make_source

        def keep(*parts: Any) -> Any:
            source.append(make_source(*parts))
            return source[0]

        object.__setattr__(bridge, "make_source", keep)
        figures: dict[str, Any] = {}

        def watch() -> None:
            while not source or source[0].counts["connections"] == 0:
                time.sleep(0.05)
            time.sleep(2)
            figures["before"] = (_cpu(), time.monotonic(), source[0].assembler.readings)
            go.set()
            figures["written"] = result.get()
            figures["after"] = (_cpu(), time.monotonic(), source[0].assembler.readings)
            os.kill(os.getpid(), 15)

        threading.Thread(target=watch, daemon=True).start()
        carried = run_bridge(bridge, for_s=seconds * 3 + 120)
        server.terminate()
        confirmer.terminate()
    written, elapsed, server_cpu = figures["written"]
    received = figures["after"][2] - figures["before"][2]
    cpu = figures["after"][0] - figures["before"][0]
    print(
        f"{'arrays' if arrays else 'scalars':8} {machines * channels:6,} nodes: written {written:10,} "
        f"({written / elapsed:9,.0f}/s of {machines * channels * 100:9,}), received {received:10,} "
        f"({received / written:6.1%}), "
        f"bridge {cpu / elapsed:5.2f} cores ({cpu / max(received, 1) * 1e6:5.2f} us each), "
        f"server {server_cpu / elapsed:4.2f} cores; confirmed {carried.edge.confirmed:,} of {carried.edge.messages:,} "
        f"messages, gaps {len(carried.run.gaps)}, peak memory {_peak_mb():,.0f} MB",
        flush=True,
    )


def _mapping(port: int, broker: int, folder: Path, machines: int, channels: int, *, arrays: bool) -> str:
    assets = ", ".join(f'"m{machine:03d}"' for machine in range(machines))
    nodes = "\n".join(f'{name} = "nsu={URI};s={{asset}}/{name}"' for name in CHANNELS[:channels])
    return f"""
plant = "bench"
[server]
endpoint = "opc.tcp://127.0.0.1:{port}/bench"
publishing_interval = "250ms"
answer_within = "60s"
[broker]
port = {broker}
[spool]
folder = "{folder}/spool"
[[machines]]
assets = [{assets}]
asset_type = "bench"
read = "{"arrays" if arrays else "scalars"}"
sampling_interval = "10ms"
[machines.nodes]
{nodes}
"""


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["arrays", "scalars"])
    parser.add_argument("--machines", type=int, default=200)
    parser.add_argument("--rates", type=int, nargs="+", default=[800, 1600, 3200, 6400])
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args(words)
    logging.disable(logging.CRITICAL)
    if options.mode == "arrays":
        measure(options.machines, len(CHANNELS), options.seconds, arrays=True)
        return
    for rate in options.rates:
        nodes = rate // 100
        channels = min(nodes, len(CHANNELS))
        measure(nodes // channels, channels, options.seconds, arrays=False)


if __name__ == "__main__":
    main()
