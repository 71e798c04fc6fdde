"""Write the files of the example in own-data.md: a dozen pumps that never were, with one reading an hour.

Run as ``python docs/how-to/pumps.py FOLDER``; the contract and the experiment are those of the page.
"""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd

PAGE = Path(__file__).with_name("own-data.md")
START = pd.Timestamp("2026-01-05T00:00:00Z")
HOURS = 90 * 24
# A lost decimal point, a sensor's error code, and a sign: what the page finds and corrects.
WRONG = {
    ("P01", 4 * 24 + 4): ("vibration", 181.0),
    ("P03", 28 * 24 + 8): ("motor_temperature", 999.0),
    ("P05", 15 * 24): ("vibration", -1.0),
}


def main(folder: Path) -> None:
    """Write telemetry, failures, work orders, contract and experiment into a new folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    readings, failures, orders = [], [], []
    for pump in (f"P{number:02d}" for number in range(1, 13)):
        failed_at = np.cumsum(rng.normal(18 * 24, 4 * 24, 6).clip(8 * 24)).astype(int)
        failed_at = failed_at[failed_at < HOURS - 48]
        readings.append(readings_of(pump, failed_at, rng))
        for hour in failed_at:
            failed = START + pd.Timedelta(hours=int(hour))
            mode = str(rng.choice(["bearing", "seal"]))
            failures.append((f"F-{len(failures) + 1:03d}", pump, failed, failed + pd.Timedelta(hours=20), mode))
            repaired = failed + pd.Timedelta(hours=6)
            orders.append(
                (f"WO-{len(orders) + 1:03d}", pump, repaired, "corrective", mode, "defect_confirmed", "failure")
            )
    write(folder / "telemetry.csv", pd.concat(readings))
    columns = ["failure_id", "asset", "event_time", "known_time", "mode"]
    write(folder / "failures.csv", pd.DataFrame(failures, columns=columns))
    columns = ["work_order_id", "asset", "event_time", "kind", "component", "finding", "prompted_by"]
    write(folder / "work_orders.csv", pd.DataFrame(orders, columns=columns))
    page = PAGE.read_text(encoding="utf-8")
    (folder / "pump.odcs.yaml").write_text(block(page, "yaml", "apiVersion"), encoding="utf-8")
    (folder / "pump.toml").write_text(block(page, "toml", "name"), encoding="utf-8")


def readings_of(
    pump: str, failed_at: "np.ndarray[tuple[int], np.dtype[np.int64]]", rng: np.random.Generator
) -> pd.DataFrame:
    """Draw the readings of a pump, which shakes and heats up over the last four days before each failure."""
    hour = np.arange(HOURS)
    following = np.append(failed_at, 10 * HOURS)[np.searchsorted(failed_at, hour)]
    wear = np.clip(1 - (following - hour) / 96, 0, 1)
    times = START + pd.to_timedelta(hour, unit="h")
    frame = pd.DataFrame({"asset": pump, "event_time": times, "known_time": times, "source": "physical"})
    frame["vibration"] = (1.8 + 2.5 * wear + rng.normal(0, 0.25, HOURS)).clip(0.1)
    frame["discharge_pressure"] = 6.2 - 0.5 * wear + rng.normal(0, 0.2, HOURS)
    frame["motor_temperature"] = 55 + 8 * wear + rng.normal(0, 2, HOURS)
    for (asset, row), (channel, value) in WRONG.items():
        if asset == pump:
            frame.loc[row, channel] = value
    return frame.round({"vibration": 2, "discharge_pressure": 2, "motor_temperature": 1})


def write(file: Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV, its times in ISO 8601 with their zone."""
    times = {name: frame[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in frame if str(name).endswith("_time")}
    frame.assign(**times).to_csv(file, index=False)


def block(page: str, language: str, begins: str) -> str:
    """Return the first block of a language on the page that begins with a word."""
    found = re.search(rf"```{language}\n({begins}.*?)```", page, re.DOTALL)
    if found is None:
        raise SystemExit(f"{PAGE} has no block of {language} that begins with {begins}")
    return found[1]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
