"""An hour of mixed load: whether the memory of each process stays flat.

    python -m benchmarks.mixed_load FOLDER [--minutes 60] [--rate 15] [--json FILE] [--plot FILE.png]

Makes a plant of 20 simulated machines with a champion in FOLDER, unless there is one. Then runs, as a plant does: the
endpoint (2 workers) under requests of every kind, also wrong ones; Mosquitto and `forewarn listen` with 20 machines at
10 Hz and indicators of ten seconds; `forewarn schedule`, which scores, monitors, keeps up the tables and ingests a
file of a day's telemetry from the inbox each few minutes; and reads of both /metrics. Each 10 s the memory of each
process is read. What counts is its own (USS): a process is flat if it rises by no more than 2 % after the first ten
minutes. The exit status is 1 if one does not.

What a listener holds of its tables grows until small files are rewritten first, after `settled` and `compact_every`,
together 20 minutes by default. Here they are 6, so that it is over by then. It may rise by some 5 kB for each file that
its tables have lost within two hours, which their logs keep.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pandas as pd
import psutil

from benchmarks import live_rate, records_at_scale
from benchmarks.memory_trend import MIB, Sample, Trend, sampled, trends
from benchmarks.mixed_requests import make_mix
from data_contracts.contract.registered import register
from data_contracts.workspace import Workspace, open_workspace
from pipelines.demo.story import DAY, START
from pipelines.fleet.scenario import make_scenario
from pipelines.fleet.simulation import Fleet
from pipelines.indicators.definitions import define
from pipelines.live.broker.start_broker import MosquittoProcess, free_port

MACHINES, EVERY_S, ROWS = 20, 10.0, 10
WARM_UP = 600.0
COMMAND = [sys.executable, "-c", "from pipelines.cli import main; main()"]


@dataclass
class Plant:
    """The processes under load, and what they have done so far."""

    workspace: Workspace
    endpoint: "subprocess.Popen[bytes]"
    url: str
    broker: MosquittoProcess
    listener: "subprocess.Popen[bytes]"
    schedule: "subprocess.Popen[bytes]"
    served: dict[str, int] = field(default_factory=dict)
    answers: Mapping[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def roles(self) -> dict[str, list[psutil.Process]]:
        """Return the processes that run now, by what they do."""
        parent, schedule = psutil.Process(self.endpoint.pid), psutil.Process(self.schedule.pid)
        workers = [each for each in parent.children(recursive=True) if _has(each, "_bentoml_impl.worker")]
        servers = [each for each in schedule.children(recursive=True) if _has(each, "prefect_child", "uvicorn")]
        return {
            "endpoint": [parent],
            "worker": workers,
            "broker": [psutil.Process(self.broker.process.pid)] if self.broker.process else [],
            "listener": [psutil.Process(self.listener.pid)],
            "schedule": [schedule],
            "prefect server": servers,
        }


def _has(process: psutil.Process, *words: str) -> bool:
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return any(word in part for part in process.cmdline() for word in words)
    return False


@contextmanager
def running(folder: Path) -> Iterator[Plant]:
    """Start all that runs at a plant, and end it in order."""
    ports = {name: free_port() for name in ("broker", "listener", "prefect", "endpoint")}
    inbox = folder / "inbox" / "telemetry_cnc_machine"
    inbox.mkdir(parents=True, exist_ok=True)
    (folder / "forewarn.toml").write_text(
        f"[live]\nbroker_port = {ports['broker']}\nmetrics_port = {ports['listener']}\ncompact_every = '3min'\n"
        f'[ingest]\ninbox = "{inbox.parent}"\n[upkeep]\nsettled = "3min"\n'
        f'[schedule]\nport = {ports["prefect"]}\nscore = "*/4 * * * *"\nmonitor = "2-59/12 * * * *"\n'
        'ingest = "1-59/8 * * * *"\nupkeep = "5-59/20 * * * *"\n'
    )
    workspace = open_workspace(folder, {})
    register(workspace.contracts, live_rate.contract(None), now=pd.Timestamp.now("UTC"))
    define(workspace, live_rate.INDICATORS, now=pd.Timestamp.now("UTC"))
    broker = MosquittoProcess(folder, ports["broker"])
    broker.start()
    serve = [sys.executable, "-m", "serving", "--model", records_at_scale.MODEL, "--workers", "2"]
    with ExitStack() as stack:
        stack.callback(broker.stop)

        def start(name: str, *command: str) -> "subprocess.Popen[bytes]":
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen([*command, "--workspace", str(folder)], stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process

        listener = start("listen", *COMMAND, "listen", "--json")
        endpoint = start("serve", *serve, "--port", str(ports["endpoint"]))
        url = f"http://127.0.0.1:{ports['endpoint']}"
        live_rate.wait_until_ready(ports["listener"], ports["endpoint"])
        schedule = start("schedule", *COMMAND, "schedule")
        yield Plant(workspace, endpoint, url, broker, listener, schedule)


def send_requests(plant: Plant, rate: float, over: threading.Event) -> None:
    """Send requests at random times, so many a second; every hundredth over a new connection."""
    with httpx.Client(base_url=plant.url, timeout=60.0) as client:
        mix = make_mix(plant.workspace, client, seed=7)
    plant.answers = mix.answers
    while not over.is_set():
        with httpx.Client(base_url=plant.url, timeout=60.0) as mix.client:
            for _ in range(100):
                mix.send()
                plant.served["worker"] = plant.served.get("worker", 0) + 1
                if over.wait(mix.draw.expovariate(rate)):
                    return


def send_telemetry(plant: Plant, over: threading.Event) -> None:
    """Let 20 machines send a message a second, of ten readings of eight channels."""
    live_rate.ROWS = ROWS
    publisher = live_rate.Publisher(plant.broker.settings, MACHINES)
    second, began = 0, time.monotonic()
    try:
        while not over.wait(max(0.0, began + second - time.monotonic())):
            publisher.send(second)
            second += 1
            plant.served["listener"] = plant.served["broker"] = second * MACHINES
    finally:
        publisher.close()


def read_metrics(plant: Plant, over: threading.Event) -> None:
    """Read what Prometheus reads, each 15 s."""
    urls = f"{plant.url}/metrics", f"http://127.0.0.1:{_metrics_port(plant.workspace)}/metrics"
    while not over.wait(15.0):
        for url in urls:
            httpx.get(url, timeout=60.0).raise_for_status()


def _metrics_port(workspace: Workspace) -> int:
    text = (workspace.root / "forewarn.toml").read_text()
    return int(text.partition("metrics_port = ")[2].split()[0])


def bring_files(plant: Plant, over: threading.Event) -> None:
    """Put the telemetry of another simulated day into the inbox each four minutes."""
    inbox = plant.workspace.root / "inbox" / "telemetry_cnc_machine"
    fleet = Fleet(7, MACHINES, start=START, scenario=make_scenario("none", 210))
    day = records_at_scale.NOW + len(list(inbox.iterdir())) * DAY
    fleet.advance(day)
    while not over.wait(240.0):
        day += DAY
        fleet.advance(day).telemetry.to_parquet(inbox / f"{day:%Y-%m-%d}.parquet")


def run(plant: Plant, minutes: float, rate: float, out: Path) -> list[Sample]:
    """Load all for so many minutes; return the memory of each process each ten seconds."""
    over, samples, began = threading.Event(), list[Sample](), time.monotonic()
    loads: tuple[Callable[[], None], ...] = (
        lambda: send_requests(plant, rate, over),
        lambda: send_telemetry(plant, over),
        lambda: read_metrics(plant, over),
        lambda: bring_files(plant, over),
    )
    threads = [threading.Thread(target=_noting, args=(plant, each)) for each in loads]
    for thread in threads:
        thread.start()
    with out.open("w") as lines:
        while (at := time.monotonic() - began) < minutes * 60 and not plant.failures:
            new = sampled(at, plant.roles(), plant.served)
            samples += new
            lines.writelines(json.dumps(dataclasses.asdict(each)) + "\n" for each in new)
            lines.flush()
            if len(samples) // max(1, len(new)) % 30 == 1:
                held = ", ".join(f"{each.role} {each.unique / MIB:.1f}" for each in new)
                print(f"{at / 60:5.1f} min  {held} MiB; {plant.served}", flush=True)
            time.sleep(max(0.0, EVERY_S - (time.monotonic() - began - at)))
    over.set()
    for thread in threads:
        thread.join()
    return samples


def _noting(plant: Plant, load: Callable[[], None]) -> None:
    """Run a load; what ends it ends the measurement."""
    try:
        load()
    except Exception as error:
        plant.failures.append(f"{type(error).__name__}: {error}")


def plot(samples: list[Sample], file: Path) -> None:
    """Draw the memory of each process against time, in a picture of the kind that the file's name says."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots()
    for role, pid in dict.fromkeys((each.role, each.pid) for each in samples):
        own = [each for each in samples if (each.role, each.pid) == (role, pid)]
        axes.plot([each.at / 60 for each in own], [each.unique / MIB for each in own], label=f"{role} {pid}")
    axes.set(xlabel="minutes", ylabel="MiB of its own (USS)", ylim=(0, None))
    axes.legend()
    figure.savefig(file)


def show(found: list[Trend]) -> None:
    """Print a line for each process."""
    for each in found:
        cost = (
            "" if each.bytes_per_served is None else f", {each.bytes_per_served / 1024:+.3f} kB each of {each.served:,}"
        )
        print(
            f"{each.role:15} {each.first_mib:7.1f} -> {each.last_mib:7.1f} MiB, "
            f"{each.slope_mib_per_hour:+.2f} MiB/h ({each.low:+.2f} to {each.high:+.2f}), "
            f"{each.rise:+.2%}{cost} {'flat' if each.flat else 'RISES'}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=15.0, help="requests a second")
    parser.add_argument("--warm-up", type=float, default=WARM_UP, help="seconds that the trend leaves out")
    parser.add_argument("--json", type=Path, help="a file for the trends")
    parser.add_argument("--plot", type=Path, help="a picture, such as .png or .svg")
    given = parser.parse_args()
    folder = given.folder.resolve()
    if not (folder / "records.db").exists():
        records_at_scale.MACHINES = MACHINES
        records_at_scale.make_plant(folder, None)
    with running(folder) as plant:
        samples = run(plant, given.minutes, given.rate, folder / "memory.jsonl")
        print(dict(sorted(plant.answers.items())), plant.served, plant.failures)
    found = trends(samples, after=given.warm_up)
    show(found)
    if given.json:
        lines = [dataclasses.asdict(each) | {"flat": each.flat} for each in found]
        given.json.write_text(json.dumps({"trends": lines, "answers": plant.answers, "served": plant.served}, indent=2))
    if given.plot:
        plot(samples, given.plot)
    return int(bool(plant.failures) or not found or not all(each.flat for each in found))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
