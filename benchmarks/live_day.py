"""A raw day of the case: sent, stored, followed by indicators, kept up, trained on.

    python benchmarks/live_day.py send --folder /tmp/live_day [--machines 20] [--hours 24]
    python benchmarks/live_day.py keep --folder /tmp/live_day
    python benchmarks/live_day.py train --folder /tmp/live_day

`send` starts Mosquitto and `forewarn listen`, and lets a plant send a day of Arrow messages (8 channels at 100 Hz) as
fast as they are confirmed. Its bearings last hours, so that several fail. The plant's clock runs ahead of ours: the
listener accepts that, and readings are known when they happened. Killed, it goes on when it is run again.
`keep` measures the table before and after upkeep; `train` trains on the indicators and scores. All append JSON lines
to FOLDER/figures.jsonl.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from live_hour import LATER, TABLE, state
from live_rate import usage, wait_until_ready
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from data_contracts.contract.contract import load_contract
from data_contracts.ingestion.ingest import ingest
from data_contracts.tables import tables
from data_contracts.upkeep.unused_files import remove_unused
from data_contracts.workspace import Workspace, init_workspace, open_workspace
from features.indicators.plan import IndicatorPlan
from models.experiment.experiment_file import load_experiment
from pipelines.fleet.live.faults import plan_faults
from pipelines.fleet.live.machines.bearing_lives import failures_between, shorten_life, wear_at
from pipelines.fleet.live.machines.live_plant import CHANNELS, RATE, LivePlant, make_live_plant, second_of
from pipelines.fleet.live.machines.plant_second import plant_seconds
from pipelines.fleet.live.machines.random_keys import generator, random_key
from pipelines.fleet.live.machines.reports import known_reports
from pipelines.fleet.live.mqtt.messages import COLUMNS, MessageStream, first_epoch
from pipelines.indicators.definitions import define, defined
from pipelines.indicators.follow import IndicatorFollower
from pipelines.jobs.score import score_fleet
from pipelines.jobs.train import train_experiment
from pipelines.live.broker.connection import connect, disconnect
from pipelines.live.broker.start_broker import MosquittoProcess, free_port
from pipelines.live.payloads.arrow_payload import encode_arrow
from pipelines.live.payloads.confirmations import decode_confirmation
from pipelines.live.payloads.schemas import encode_schema, payload_schema
from pipelines.settings.sections import UpkeepSettings
from pipelines.upkeep.upkeep import run_upkeep

INDICATORS = IndicatorPlan(
    name="cnc_signals_10s",
    asset_type="cnc_signals",
    window=pd.Timedelta("10s"),
    features=("mean", "standard_deviation", "root_mean_square", "maximum", "kurtosis"),
)
EXPERIMENT = """
name = "live-day"
target = "failure"
seed = 15

[data]
asset_type = "cnc_signals_10s"

[label]
horizon = "30min"
down_after_failure = "30min"
reporting_delay = "60s"

[windows]
window = "10min"
stride = "5min"

[features]
tsfresh = ["mean", "maximum"]
events = false
ages = false

[estimator]
kind = "lightgbm"
params = {n_estimators = 150, num_leaves = 15, min_child_samples = 20}

[costs]
missed_failure = 10
false_alarm = 1

[split]
kind = "time"
test_start = 2000-01-01T00:00:00Z   # the last six hours
"""
BEGINNING = pd.Timestamp("2020-01-01T00:00Z")
HALF_DAY = pd.Timedelta("12h")
SCHEMA = payload_schema("cnc_signals", COLUMNS)
SEED = 15
HOUR = 3600
SHORTEST, LONGEST = 2 * HOUR, 12 * HOUR  # of a bearing
STEEPEST = 6.0  # power with which the wear grows, at most
REPAIR = 30 * 60
AHEAD = 12_000  # messages that are sent and not confirmed, at most
PROGRESS_S = 30
AGAIN = 120  # seconds before the last stored one, from which it is sent again after a kill


def worn_plant(machines: int, since: int, until: int) -> LivePlant:
    """Return a plant whose bearings last hours; at the begin each is somewhere in its life."""
    plant = make_live_plant(SEED, machines)
    for machine, asset in enumerate(plant.assets):
        draws = generator(random_key(SEED, asset, "hours"))
        first, length = True, 0
        second = since
        while second < until:
            length = int(draws.uniform(SHORTEST, LONGEST))
            if first:
                second -= int(length * draws.random())
            shorten_life(plant.lives, machine, second, length)
            life = int(np.flatnonzero(plant.lives.begins[machine] == second)[-1])
            plant.lives.onset[machine, life] = draws.uniform(2.0, STEEPEST)
            plant.lives.first_level[machine, life] = 0.0
            # It stands until just before the next one begins.
            second, first = second + length + REPAIR - 1, False
    return plant


class Publisher:
    """Sends the plant's seconds, no further ahead of what is stored than a bounded number of messages."""

    def __init__(self, broker: MosquittoProcess, plant: LivePlant, since: int, resumed: int) -> None:
        self._plant, self.published = plant, 0
        epoch = first_epoch(plant, since)
        numbers = running_seconds(plant, since, resumed)
        self._confirmed = {asset: int(count) - 1 for asset, count in zip(plant.assets, numbers, strict=True)}
        self._first = sum(self._confirmed.values())
        self._epoch = epoch
        sessions = {machine: (epoch, int(count)) for machine, count in enumerate(numbers)}
        self._stream = MessageStream(plant, plan_faults(SEED, 0.0), "arrow", (), epoch, _sessions=sessions)
        self._client = connect(
            broker.settings,
            "live-day",
            on_message=self._hear,
            on_connect=lambda client: client.subscribe("forewarn/confirmed/+", 0),
            in_flight=20_000,
        )
        self._client.publish(f"forewarn/schemas/{SCHEMA.id}", encode_schema(SCHEMA), qos=1, retain=True)

    @property
    def waiting(self) -> int:
        """Return how many messages are not confirmed."""
        return self.published - (sum(self._confirmed.values()) - self._first)

    def send(self, second) -> None:
        """Publish a second, and wait while the listener is too far behind."""
        for outgoing in self._stream.messages(second):
            topic = f"forewarn/telemetry/{outgoing.plant}/{outgoing.message.asset}"
            self._client.publish(topic, encode_arrow(outgoing.message, SCHEMA), qos=1)
            self.published += 1
        self.wait(AHEAD)

    def wait(self, most: int, seconds: float = 1200.0) -> None:
        """Wait until no more than so many messages are not confirmed."""
        ends = time.monotonic() + seconds
        while self.waiting > most:
            if time.monotonic() > ends:
                raise SystemExit(f"{self.waiting} messages have not been confirmed for {seconds:g} s; run it again")
            time.sleep(0.02)

    def close(self) -> None:
        """Disconnect."""
        disconnect(self._client)

    def _hear(self, _, heard) -> None:
        asset, confirmed = heard.topic.rpartition("/")[2], decode_confirmation(heard.payload)
        if confirmed.epoch == self._epoch and asset in self._confirmed:
            self._confirmed[asset] = max(self._confirmed[asset], confirmed.sequence)


def running_seconds(plant: LivePlant, since: int, until: int) -> np.ndarray:
    """Return in how many seconds each machine ran, and so how many messages it sent."""
    seconds = np.arange(since, until)
    counts = [
        np.count_nonzero(~wear_at(plant.lives, np.full(len(seconds), machine), seconds)[1])
        for machine in range(len(plant))
    ]
    return np.array(counts)


def send(folder: Path, machines: int, hours: float, follow: tuple[str, ...] = ()) -> None:
    """Send what is not stored yet of the day."""
    noted = folder / "day.json"
    if noted.exists():
        day = json.loads(noted.read_text())
        workspace = open_workspace(folder / "ws", os.environ)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / "ws", ignore_errors=True)
        since = second_of(pd.Timestamp.now("UTC").ceil("h"))
        day = {"since": since, "until": since + int(hours * HOUR), "machines": machines}
        workspace = init_workspace(folder / "ws")
        define(workspace, INDICATORS, now=pd.Timestamp(since, unit="s", tz="UTC"))
        noted.write_text(json.dumps(day))
    since, until = day["since"], day["until"]
    plant = worn_plant(day["machines"], since, until)
    stored, _ = tables.asset_watermarks(workspace, TABLE, column="event_time")
    resumed = max(since, second_of(max(stored.values())) - AGAIN) if stored else since
    (folder / "broker").mkdir(exist_ok=True)
    broker = MosquittoProcess((folder / "broker").resolve(), free_port())
    broker.start()
    port = free_port()
    (workspace.root / "forewarn.toml").write_text(
        f"[live]\nbroker_port = {broker.port}\nmetrics_port = {port}\nhourly_report = false\nclock_tolerance = '2d'\n"
    )
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", "listen", "--json", *follow]
    listener = subprocess.Popen([*command, "-w", str(workspace.root)], stdout=subprocess.PIPE, text=True)
    wait_until_ready(port)  # before that the broker keeps nothing for it
    publisher = Publisher(broker, plant, since, resumed)
    began, (own, _), last = time.time(), usage(os.getpid()), time.time()
    try:
        for second in plant_seconds(plant, resumed, until):
            publisher.send(second)
            if time.time() - last > PROGRESS_S or second.second == until - 1:
                last = time.time()
                note(folder, progress(publisher, second.second + 1 - since, began, own, listener, broker))
        publisher.wait(0)
        note(folder, progress(publisher, until - since, began, own, listener, broker) | {"what": "sent"})
    finally:
        listener.terminate()
        summary = json.loads(listener.communicate()[0] or "{}")
        publisher.close()
        broker.stop()
    note(folder, {"what": "listened"} | summary)
    now = pd.Timestamp(until, unit="s", tz="UTC")
    for name, rows in known_reports(plant, since, until).items():
        ingest(workspace, rows, load_contract(name), now=now)
        note(folder, {"what": f"reported {name}", "rows": len(rows)})


def progress(publisher, seconds, began, own, listener, broker) -> dict:
    """Say how far it is, and what each process has used."""
    elapsed = time.time() - began
    used = {"listener": usage(listener.pid), "plant": usage(os.getpid()), "broker": usage(broker.process.pid)}
    samples = (publisher.published - publisher.waiting) * RATE * len(CHANNELS)
    return {
        "what": "sending",
        "plant_hours": round(seconds / HOUR, 3),
        "elapsed_s": round(elapsed, 1),
        "samples_per_s": round(samples / elapsed),
        "core_s": {name: round(cpu - (own if name == "plant" else 0.0), 1) for name, (cpu, _) in used.items()},
        "memory_mib": {name: round(memory) for name, (_, memory) in used.items()},
        "load": os.getloadavg()[0],
    }


def keep(folder: Path) -> None:
    """Measure the table, compact it, delete its first half, and measure again, as hours later."""
    day, workspace, end = opened(folder)
    window = end - HALF_DAY
    followed, seconds = timed(lambda: IndicatorFollower(workspace, defined(workspace)[0]).follow())
    note(folder, {"what": "indicators", "rows": followed.windows, "s": seconds, "peak_mib": peak()})
    asset = make_live_plant(SEED, day["machines"]).assets[0]
    rows = tables.count_rows(workspace, TABLE, start=BEGINNING, end=LATER)
    note(folder, {"what": "before upkeep", "rows": rows} | state(workspace, asset, window))
    result, seconds = timed(lambda: run_upkeep(workspace, UpkeepSettings(), now=end))
    _, vacuum_s = timed(lambda: hours_later(workspace))
    assert tables.count_rows(workspace, TABLE, start=BEGINNING, end=LATER) == rows
    done = {each.table: each.compaction.made for each in result.tables}
    figures = {"upkeep_s": seconds, "vacuum_s": vacuum_s, "made": done, "peak_mib": peak()}
    note(folder, {"what": "compacted and vacuumed", "rows": rows} | figures | state(workspace, asset, window))
    settings = UpkeepSettings(raw=HALF_DAY - pd.Timedelta("1h"))
    result, seconds = timed(lambda: run_upkeep(workspace, settings, now=end))
    hours_later(workspace)
    kept = tables.count_rows(workspace, TABLE, start=BEGINNING, end=LATER)
    deleted = sum(each.deletion.rows for each in result.tables)
    assert kept + deleted == rows
    figures = {"rows": kept, "deleted": deleted, "upkeep_s": seconds}
    note(folder, {"what": "kept for eleven hours"} | figures | state(workspace, asset, end - pd.Timedelta("2h")))


def train(folder: Path) -> None:
    """Train on the indicators of the first eighteen hours, score the rest, and compare with what happened."""
    day, workspace, end = opened(folder)
    test_start = f"split.test_start={(end - pd.Timedelta('6h')).isoformat()}"
    file = folder / "bearing.toml"
    file.write_text(EXPERIMENT)
    experiment = load_experiment(file, [test_start], contracts=workspace.contracts)
    result, seconds = timed(lambda: train_experiment(workspace, experiment, now=end, insist=True))
    note(folder, {"what": "trained", "s": seconds, "peak_mib": peak()} | result.to_dict())
    scored, seconds = timed(lambda: score_fleet(workspace, experiment.model_name, as_of=end, now=end))
    fails = failures_between(worn_plant(day["machines"], day["since"], day["until"]).lives, day["until"], 2**40)
    soon = [f"cnc-{machine + 1:03d}" for machine, time, _ in fails if time <= day["until"] + HOUR // 2]
    note(folder, {"what": "scored", "s": seconds, "fail_within_30min": soon} | scored.to_dict())
    note(folder, {"what": "without a model"} | without_model(workspace, end))


def without_model(workspace: Workspace, end: pd.Timestamp) -> dict[str, float]:
    """Return how well one indicator, the age of the bearing and the machine rank the cut-offs of the last six hours.

    An indicator that ranks as well as the model says that the wear is plain to see; a machine that does, that models
    learn who it is. `machines_left_out` is a model's of machines that it has not seen.
    """
    rows = tables.read(workspace, INDICATORS.table)
    channels = [name for name in rows.columns if name.startswith(CHANNELS)]
    parts = []
    for asset, own in rows.groupby("asset"):
        means = own.set_index("event_time")[channels].resample("5min", label="right", closed="right")
        parts.append(means.mean().rolling(2).mean()[means.size() > 25].assign(asset=asset).reset_index())
    cuts = pd.concat(parts, ignore_index=True).dropna()
    failures = tables.read(workspace, "failures").sort_values("event_time")
    last, following = (
        pd.merge_asof(
            cuts.sort_values("event_time"),
            failures.assign(failed=failures["event_time"])[["asset", "event_time", "failed"]],
            on="event_time", by="asset", direction=direction, allow_exact_matches=direction == "backward",
        )["failed"]
        for direction in ("backward", "forward")
    )  # fmt: skip
    cuts = cuts.sort_values("event_time", ignore_index=True)
    horizon = pd.Timedelta("30min")
    fails = (following - cuts["event_time"] <= horizon).to_numpy()
    kept = (cuts["event_time"] <= end - horizon).to_numpy()
    cuts, fails, last = cuts[kept].reset_index(drop=True), fails[kept], last[kept].reset_index(drop=True)
    age = (cuts["event_time"] - last.fillna(cuts["event_time"].min())).dt.total_seconds()
    late = (cuts["event_time"] > end - pd.Timedelta("6h")).to_numpy()
    share = pd.Series(fails[~late]).groupby(cuts["asset"][~late].to_numpy()).mean()
    unseen = np.zeros(len(cuts))
    for seen, others in GroupKFold(5).split(cuts, fails, cuts["asset"]):
        model = LGBMClassifier(n_estimators=150, num_leaves=15, verbose=-1, n_jobs=1)
        model.fit(cuts[channels].iloc[seen], fails[seen])
        unseen[others] = model.predict_proba(cuts[channels].iloc[others])[:, 1]
    scores = {
        "vibration_x_root_mean_square": cuts["vibration_x_root_mean_square"][late],
        "age": age[late],
        "machine": cuts["asset"][late].map(share),
        "machines_left_out": unseen[late],
    }
    return {name: round(float(roc_auc_score(fails[late], score)), 3) for name, score in scores.items()}


def opened(folder: Path) -> tuple[dict, Workspace, pd.Timestamp]:
    """Return what was sent, where, and until when."""
    day = json.loads((folder / "day.json").read_text())
    return day, open_workspace(folder / "ws", os.environ), pd.Timestamp(day["until"], unit="s", tz="UTC")


def hours_later(workspace: Workspace) -> None:
    """Remove what upkeep removes once nobody reads it any more."""
    for table in tables.versions(workspace):
        remove_unused(workspace, table, now=LATER, grace=pd.Timedelta(0), log_kept=pd.Timedelta(0))


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """Return what an action returns, and its seconds."""
    began = time.perf_counter()
    return action(), round(time.perf_counter() - began, 1)


def peak() -> int:
    """Return the most memory that this process has taken, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def note(folder: Path, figures: dict) -> None:
    """Print figures, and keep them."""
    line = json.dumps(figures)
    print(line, flush=True)
    with (folder / "figures.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def main() -> None:
    """Do one of the steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["send", "keep", "train"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--machines", type=int, default=20)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--no-follow", action="store_true", help="leave the indicators to `keep`")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what it has started ends with it
    if given.step == "send":
        send(given.folder, given.machines, given.hours, ("--no-follow",) if given.no_follow else ())
    else:
        {"keep": keep, "train": train}[given.step](given.folder)


if __name__ == "__main__":
    main()
