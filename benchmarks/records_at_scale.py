"""What reading the records costs as they grow: the endpoint's pages, `forewarn why`, `forewarn monitor`.

    python -m benchmarks.records_at_scale FOLDER --predictions 1000000 [--records URL] [--seconds-per-page 20]

Makes a plant of 60 simulated machines with a champion, and stores so many predictions of 90 days beside it, each with
an answer unless `--without-answers`. Then asks the endpoint (one worker) for every page again and again, and runs the
commands in processes of their own. Prints a line of JSON for each: seconds (median and slowest), processor time, and
memory at most. An existing folder is measured as it is.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import pandas as pd
import sqlalchemy as sa

from data_contracts.records.answer_records import Answer, add_predictions
from data_contracts.records.records import Prediction, open_records
from data_contracts.tables import tables
from data_contracts.workspace import SETTINGS_FILE, Workspace, init_workspace, open_workspace
from models.experiment.experiment_file import load_experiment
from pipelines.demo.story import DAY, START
from pipelines.fleet.scenario import make_scenario
from pipelines.fleet.simulation import Fleet
from pipelines.importers.batch import import_batch
from pipelines.jobs.train import train_experiment
from pipelines.live.broker.start_broker import free_port

MACHINES, HISTORY, SPAN = 60, 120 * DAY, 90 * DAY
LIVE = START + HISTORY
NOW = LIVE + SPAN
EXPERIMENT = Path(__file__).parents[1] / "pipelines" / "experiments" / "fleet.toml"
MODEL = "fleet-failure"
BLOCK = 20_000
COSTS = {"planned": 1_000, "failure": 20_000, "downtime_per_hour": 2_000, "unplanned_hours": 12}
WORKLIST = {"days": 7, "crews": {"machines_per_day": 2}, "costs": COSTS, "repair_hours": 4, "start": NOW.isoformat()}


def make_plant(folder: Path, records: str | None) -> Workspace:
    """Make a workspace with telemetry and failures of 210 days, and a champion trained on the first 120."""
    workspace = init_workspace(folder)
    if records is not None:
        (folder / SETTINGS_FILE).write_text(f'[storage]\nrecords = "{records}"\n')
        workspace = open_workspace(folder, {})
    fleet = Fleet(7, MACHINES, start=START, scenario=make_scenario("none", (HISTORY + SPAN).days))
    import_batch(workspace, fleet.advance(LIVE), now=LIVE)
    train_experiment(workspace, load_experiment(EXPERIMENT, []), now=LIVE, insist=True)
    import_batch(workspace, fleet.advance(NOW), now=NOW)
    return workspace


def fill(workspace: Workspace, count: int, *, answers: bool) -> None:
    """Store predictions of all machines, evenly over the span; an alarm now and then, which lasts a while.

    After the first `BLOCK` each further one is a copy with cut-offs of its own, made by the database.
    """
    records, rng = open_records(workspace.records_url), np.random.default_rng(1)
    assets = sorted(tables.read(workspace, "assets")["asset"].unique())
    copies = max(count // BLOCK, 1)
    each = count // copies // len(assets)
    step = (SPAN / (each + 1)).floor("ms")
    alarmed = rng.random((len(assets), 90)) < 0.02  # by machine and day
    predictions: list[Prediction] = []
    stored: list[Answer] = []
    for number in range(each):
        as_of = LIVE + (number + 1) * step
        day = min((as_of - LIVE).days, 89)
        for place, asset in enumerate(assets):
            alert = bool(alarmed[place, day])
            name = f"{0:05d}-{number:06d}-{place:04d}-4000-8000-00000000"
            probability = 0.7 if alert else float(rng.uniform(0.0, 0.4))
            horizon = 72 * 3600.0
            predictions.append(
                Prediction(name, asset, as_of, as_of, horizon, 0.0, probability, None, 0.5, alert, MODEL, 1, "endpoint")
            )
            if answers:
                stored.append(
                    Answer(name, asset, as_of, as_of, "ok", None, MODEL, 1, "d" * 64, _content(predictions[-1]))
                )
    add_predictions(records, predictions, stored)
    for copy in range(1, copies):
        with records.begin() as connection:
            for table in (Prediction.table, Answer.table)[: 1 + answers]:
                connection.execute(_copied(table, copy, later=copy * (step / copies).floor("us")))
    records.dispose()


def _copied(table: sa.Table, copy: int, *, later: pd.Timedelta) -> sa.Insert:
    """Insert the rows of the first block once more, under other ids and somewhat later."""
    shift = later // pd.Timedelta(1, "us")
    values = {column.name: column for column in table.c}
    values["prediction_id"] = sa.literal(f"{copy:05d}") + sa.func.substr(table.c.prediction_id, 6)
    for name in ("as_of", "made_at"):
        values[name] = sa.type_coerce(table.c[name], sa.BigInteger) + shift
    first = sa.select(*values.values()).where(table.c.prediction_id.between("00000", "00001"))
    return table.insert().from_select(list(values), first)


def _content(row: Prediction) -> str:
    drivers = [
        {"channel": f"spindle_{n}", "share": 0.2, "raises": True, "words": f"spindle_{n} high"} for n in range(5)
    ]
    return json.dumps(
        {
            "prediction_id": row.prediction_id,
            "asset": row.asset,
            "as_of": row.as_of.isoformat(),
            "status": "ok",
            "probability": row.probability,
            "alert": row.alert,
            "horizon_hours": 72.0,
            "lead_hours": 0.0,
            "drivers": drivers,
        }
    )


@contextmanager
def endpoint(workspace: Workspace, log: Path, *, ready: str = "/readyz") -> Iterator[tuple[str, int]]:
    """Run the endpoint with one worker, until `ready` answers; give its address and the id of its first process."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "serving",
        "--workspace",
        str(workspace.root),
        "--model",
        MODEL,
        "--port",
        str(port),
    ]
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1_200):
            with suppress(httpx.TransportError):
                if httpx.get(f"{url}{ready}", timeout=5.0).status_code == 200:
                    break
            time.sleep(0.1)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


def pages(url: str, asset: str, alarm: str) -> dict[str, Callable[[], httpx.Response]]:
    """Return what is asked for, by name."""
    client = httpx.Client(base_url=url, timeout=900.0)
    since = (NOW - SPAN).isoformat().replace("+", "%2B")
    as_of = NOW.isoformat()
    return {
        "predict one": lambda: client.post("/predict", json={"assets": [asset], "as_of": as_of}),
        "history 100": lambda: client.get(f"/assets/{asset}/history"),
        "history 1000 of 90 d": lambda: client.get(f"/assets/{asset}/history?limit=1000&since={since}"),
        "why of an alarm": lambda: client.get(f"/why/{alarm}"),
        "worklist": lambda: client.post("/worklist", json=WORKLIST),
    }


def measure_pages(workspace: Workspace, seconds: float, log: Path) -> Iterator[dict[str, Any]]:
    records = open_records(workspace.records_url)
    newest = sa.select(Prediction.table.c.prediction_id, Prediction.table.c.asset).where(Prediction.table.c.alert)
    with records.connect() as connection:
        alarm, asset = connection.execute(newest.limit(1)).one()
    with endpoint(workspace, log) as (url, pid):
        for name, ask in pages(url, asset, alarm).items():
            taken, begun, used = list[float](), time.monotonic(), cpu_seconds(pid)
            while len(taken) < 3 or (time.monotonic() - begun < seconds and len(taken) < 200):
                start = time.monotonic()
                answer = ask()
                taken.append(time.monotonic() - start)
                answer.raise_for_status()
            yield {
                "what": name,
                "median_s": round(float(np.median(taken)), 4),
                "slowest_s": round(max(taken), 4),
                "requests": len(taken),
                "cpu_ms": round(1_000 * (cpu_seconds(pid) - used) / len(taken), 1),
                "bytes": len(answer.content),
                "rss_mb": resident_mb(pid),
            }


def resident_mb(pid: int) -> int:
    """Return the largest resident memory of a process and its children, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    own = int(status.partition("VmRSS:")[2].split()[0]) // 1_000
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return max([own, *(resident_mb(int(child)) for child in children)])


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process and its children have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(cpu_seconds(int(child)) for child in children)


def measure_command(root: Path, *words: str) -> dict[str, Any]:
    """Run a command in a process of its own."""
    code = "import sys; from pipelines.cli import main; main(sys.argv[1:])"
    start = time.monotonic()
    with Path(os.devnull).open("wb") as nowhere:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words, "--workspace", str(root), "--json"], stdout=nowhere, stderr=None
        )
        most = 0
        ended, used = 0, cast("Any", None)
        while not ended:
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
            # Not the usage that the system reports at the end, which counts this process's memory too.
            with suppress(OSError, IndexError):
                most = max(most, int(Path(f"/proc/{process.pid}/status").read_text().partition("VmHWM:")[2].split()[0]))
            time.sleep(0.02)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "what": " ".join(words[:2]),
        "seconds": round(time.monotonic() - start, 2),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "status": process.returncode,
        "rss_mb": most // 1_000,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--predictions", type=int, default=10_000)
    parser.add_argument("--records")
    parser.add_argument("--without-answers", action="store_true")
    parser.add_argument("--seconds-per-page", type=float, default=10.0)
    given = parser.parse_args()
    if not (given.folder / SETTINGS_FILE).exists():
        workspace = make_plant(given.folder, given.records)
        start = time.monotonic()
        fill(workspace, given.predictions, answers=not given.without_answers)
        _say({"what": "filled", "predictions": given.predictions, "seconds": round(time.monotonic() - start, 1)})
    workspace = open_workspace(given.folder, {})
    for line in measure_pages(workspace, given.seconds_per_page, given.folder / "endpoint.log"):
        _say(line)
    for words in (("why", "alarm"), ("monitor", "--now", NOW.isoformat()), ("doctor",)):
        _say(measure_command(given.folder, *words))


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
