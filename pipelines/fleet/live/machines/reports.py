"""What the live plant's mechanics and planners write down: assets, failures of bearings, and their repairs."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from pipelines.fleet.live.machines.bearing_lives import failures_between
from pipelines.fleet.live.machines.live_plant import ASSET_TYPE, FIRST, LivePlant, second_of
from pipelines.fleet.records.deliveries import TIME

REPORTED_AFTER = 60  # seconds from a failure until it is recorded
MODE = "spindle_bearing"
_TABLES = ("assets", "failures", "work_orders")


@dataclass(frozen=True)
class Reports:
    """The rows of the tables, by the columns of their contracts."""

    assets: pd.DataFrame
    failures: pd.DataFrame
    work_orders: pd.DataFrame

    def items(self) -> Iterable[tuple[str, pd.DataFrame]]:
        """Return each table with its name."""
        return ((name, getattr(self, name)) for name in _TABLES)


def known_reports(plant: LivePlant, since: int, until: int) -> Reports:
    """Return what was reported in the seconds [since, until); the assets are known from the beginning."""
    failures = failures_between(plant.lives, since - REPORTED_AFTER, until)
    failed = [(machine, fails) for machine, fails, _ in failures if since <= fails + REPORTED_AFTER < until]
    repaired = [
        (machine, fails, repaired)
        for machine, fails, repaired in failures_between(plant.lives, second_of(FIRST), until)
        if since <= repaired < until
    ]
    return Reports(
        _assets(plant, since),
        _rows(plant, "failure_id", "F", [(m, t, t + REPORTED_AFTER, t) for m, t in failed]).assign(
            mode=pd.Series([MODE] * len(failed), dtype="str")
        ),
        _rows(plant, "work_order_id", "W", [(m, end, end, t) for m, t, end in repaired]).assign(
            **{
                name: pd.Series([word] * len(repaired), dtype="str")
                for name, word in (
                    ("kind", "corrective"),
                    ("component", MODE),
                    ("finding", "defect_confirmed"),
                    ("prompted_by", "failure"),
                )
            }
        ),
    )


def report_seconds(plant: LivePlant, since: int) -> list[int]:
    """Return the seconds from `since` on in which something is reported, ascending."""
    failures = failures_between(plant.lives, second_of(FIRST), 2**62)
    times = {time for _, fails, repaired in failures for time in (fails + REPORTED_AFTER, repaired)}
    return sorted(time for time in times if time >= since)


def _assets(plant: LivePlant, since: int) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "asset": list(plant.assets),
            "event_time": FIRST,
            "known_time": min(FIRST, pd.Timestamp(since, unit="s", tz="UTC")),
            "asset_type": ASSET_TYPE,
            "model": list(plant.models),
            "plant": list(plant.plants),
            "line": list(plant.lines),
        }
    )
    return frame.astype({"event_time": TIME, "known_time": TIME})


def _rows(plant: LivePlant, key: str, letter: str, rows: list[tuple[int, int, int, int]]) -> pd.DataFrame:
    """Return rows of (machine, event, known, failure) seconds; the failure's second makes the id."""
    machine, event, known, failed = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pd.DataFrame(
        {
            key: pd.Series(
                [f"{letter}-{plant.assets[m]}-{t}" for m, t in zip(machine, failed, strict=True)], dtype="str"
            ),
            "asset": pd.Series([plant.assets[m] for m in machine], dtype="str"),
            "event_time": pd.to_datetime(pd.Series(event, dtype="int64"), unit="s", utc=True),
            "known_time": pd.to_datetime(pd.Series(known, dtype="int64"), unit="s", utc=True),
        }
    ).astype({"event_time": TIME, "known_time": TIME})
