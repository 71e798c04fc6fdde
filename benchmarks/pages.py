"""What the planner's pages cost: the fleet of 2,000 machines, and a machine with a year of telemetry.

    python -m benchmarks.pages FOLDER [--machines 2000] [--days 365] [--predicted-days 30] [--seconds 10]

Makes a workspace with hourly telemetry of 7 channels, failures and work orders of all machines, and hourly predictions
of the last days, of which the newest have drivers. Then asks the endpoint (one worker, on loopback) for each page, and
Chromium, where it is, for its first paint, ten times without a cache. Prints a line of JSON for each: seconds of the
first request, which reads what later ones find in memory, then median and slowest, processor time a request, bytes as
sent (packed) and as shown. An existing folder is measured as it is.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import sqlalchemy as sa

from benchmarks.records_at_scale import cpu_seconds, endpoint, resident_mb
from data_contracts.contract.contract import telemetry_contract
from data_contracts.records.answer_records import Answer
from data_contracts.records.records import Prediction, open_records
from data_contracts.tables import tables
from data_contracts.workspace import SETTINGS_FILE, Workspace, init_workspace, open_workspace
from tests import browser

MODEL = "fleet-failure"
DAY, HOUR = pd.Timedelta(days=1), pd.Timedelta(hours=1)
_PAINTS, _BLOCK = 10, 100_000
_FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
_WORDS = "tool load scatters more than usual for the way the machine runs: 3.44 where 0.454 to 0.826 is usual"


def make_fleet(folder: Path, machines: int, days: int, predicted_days: int) -> Workspace:
    """Make the workspace, up to the last full hour."""
    workspace, now = init_workspace(folder), pd.Timestamp.now("UTC").floor("h").as_unit("us")
    names = np.array([f"cnc-{number:04}" for number in range(machines)], dtype=object)
    rng, begin = np.random.default_rng(5), now - days * DAY
    places = [(f"plant-{1 + n % 10:02}", f"plant-{1 + n % 10:02}/line-{1 + n // 10 % 10}") for n in range(machines)]
    records = pd.DataFrame({"asset": names, "event_time": begin, "known_time": begin, "asset_type": "cnc_machine"})
    records["plant"], records["line"] = zip(*places, strict=True)
    tables.append(workspace, "assets", records, "assets")
    _telemetry(workspace, names, begin, now, rng)
    _work(workspace, names, begin, days, rng)
    _predictions(workspace, names, now, predicted_days, rng)
    return workspace


def _telemetry(
    workspace: Workspace, names: Any, begin: pd.Timestamp, now: pd.Timestamp, rng: np.random.Generator
) -> None:
    contract, start = telemetry_contract("cnc_machine"), begin
    while start < now:
        hours = pd.date_range(start, min(start + 30 * DAY, now), freq="h", unit="us", inclusive="right")
        frame = pd.DataFrame({"asset": np.tile(names, len(hours)), "event_time": np.repeat(hours, len(names))})
        frame["known_time"], frame["source"] = frame["event_time"] + pd.Timedelta("5min"), "physical"
        for name in contract.channels:
            frame[name] = rng.normal(20.0, 3.0, len(frame)).round(2)
        tables.append(workspace, "telemetry/cnc_machine", frame, f"month {start}")
        start += 30 * DAY


def _work(workspace: Workspace, names: Any, begin: pd.Timestamp, days: int, rng: np.random.Generator) -> None:
    asset = np.repeat(names, 6)
    at = begin + pd.to_timedelta(rng.uniform(1, days - 1, len(asset)), unit="D").as_unit("us").floor("min")
    failures = pd.DataFrame({"failure_id": [f"F-{n:06}" for n in range(len(asset))], "asset": asset})
    tables.append(
        workspace, "failures", failures.assign(event_time=at, known_time=at + HOUR, mode="spindle_bearing"), "failures"
    )
    orders = pd.DataFrame({"work_order_id": [f"W-{n:06}" for n in range(len(asset))], "asset": asset})
    done = {
        "kind": "corrective",
        "component": "spindle_bearing",
        "finding": "defect_confirmed",
        "prompted_by": "failure",
    }
    tables.append(
        workspace, "work_orders", orders.assign(event_time=at + 4 * HOUR, known_time=at + 5 * HOUR, **done), "orders"
    )


def _predictions(workspace: Workspace, names: Any, now: pd.Timestamp, days: int, rng: np.random.Generator) -> None:
    engine, rows = open_records(workspace.records_url), list[dict[str, Any]]()
    alarmed = rng.random((days + 1, len(names))) < 0.02
    for hour in range(24 * days, -1, -1):
        as_of = now - hour * HOUR
        chance = np.where(alarmed[hour // 24], rng.uniform(0.5, 0.9, len(names)), rng.uniform(0.0, 0.4, len(names)))
        plain = {"as_of": as_of, "made_at": as_of, "horizon_s": 72 * 3600.0, "lead_s": 0.0, "remaining_life_h": None}
        plain |= {"threshold": 0.5, "model_name": MODEL, "model_version": 1, "origin": "batch"}
        for number, (name, value) in enumerate(zip(names, chance.tolist(), strict=True)):
            own = {"prediction_id": f"{hour:06}-{number:06}-4000-8000-000000000000", "asset": name}
            rows.append(plain | own | {"probability": value, "alert": value >= 0.5})
        if len(rows) >= _BLOCK or hour == 0:
            with engine.begin() as connection:
                connection.execute(sa.insert(Prediction.table), rows)
                if hour == 0:
                    newest = [row for row in rows if row["as_of"] == now]
                    connection.execute(sa.insert(Answer.table), [_answer(row) for row in newest])
            rows = []
    engine.dispose()


def _answer(row: dict[str, Any]) -> dict[str, Any]:
    drivers = [{"channel": "tool_load", "share": 0.4, "raises": True, "words": _WORDS}] * 3
    content = {"prediction_id": row["prediction_id"], "last_reading_at": row["as_of"].isoformat(), "drivers": drivers}
    named = {name: row[name] for name in ("prediction_id", "asset", "as_of", "made_at", "model_name", "model_version")}
    return named | {"status": "ok", "reason": None, "model_digest": "d" * 64, "answer": json.dumps(content)}


def measure(url: str, pid: int, path: str, seconds: float) -> dict[str, Any]:
    """Ask for a page again and again."""
    taken, client = list[float](), httpx.Client(base_url=url, timeout=120.0)
    used = begun = 0.0
    while len(taken) < 4 or (time.perf_counter() - begun < seconds and len(taken) < 200):
        start = time.perf_counter()
        answer = client.get(path)
        taken.append(time.perf_counter() - start)
        answer.raise_for_status()
        if len(taken) == 1:
            used, begun = cpu_seconds(pid), time.perf_counter()
    later = taken[1:]
    return {
        "page": path,
        "first_ms": round(1e3 * taken[0]),
        "median_ms": round(1e3 * float(np.median(later))),
        "slowest_ms": round(1e3 * max(later)),
        "cpu_ms": round(1e3 * (cpu_seconds(pid) - used) / len(later)),
        "requests": len(later),
        "sent_bytes": int(answer.headers["content-length"]),
        "shown_bytes": len(answer.content),
        "rss_mb": resident_mb(pid),
    }


def first_paints(url: str, paths: list[str]) -> Iterator[dict[str, Any]]:
    """Open pages in Chromium, each time in a context of its own, so that nothing is cached."""
    with browser.running_browser() as chromium:
        for path in paths:
            paints = []
            for _ in range(_PAINTS):
                with chromium.open(f"{url}{path}", ready="main") as opened:
                    paints.append(float(opened.page.evaluate(_FIRST_PAINT)))
            yield {"page": path, "paint_ms": round(float(np.median(paints))), "slowest_paint_ms": round(max(paints))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--machines", type=int, default=2_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--predicted-days", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    if not (given.folder / SETTINGS_FILE).exists():
        make_fleet(given.folder, given.machines, given.days, given.predicted_days)
    workspace = open_workspace(given.folder, {})
    machine = "/ui/machines/cnc-0007"
    paths = ["/ui/fleet", "/ui/fleet?size=500", "/ui/fleet?size=all", machine, f"{machine}?days=365"]
    with endpoint(workspace, given.folder / "endpoint.log", ready="/livez") as (url, pid):
        for path in paths:
            print(json.dumps(measure(url, pid, path, given.seconds)), flush=True)
        if browser.why_not() is None:
            for line in first_paints(url, paths):
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
