"""Histories of a champion in service, from the machines up to the looks of monitoring; no drift by default.

Machines grow defects; the champion sees most of them some days ahead and also raises false alarms; mechanics come to
most alarms, prevent the failure or find nothing, and do not always inspect or report; reports come late, one in twenty
later than the reporting delay. The champion's reference rates are measured in a world where nobody acts on alarms and
every report comes at once.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from models.monitoring.drift import ReferenceRates
from models.monitoring.looks import Grid
from models.outcomes.error_rates import error_rates
from models.outcomes.finding_errors import FindingQuality
from models.outcomes.outcomes import Outcomes
from models.sequential_tests.rate_tests import LookCounts
from pipelines.fleet.histories.held_back import draw_histories
from pipelines.fleet.histories.look_counts import join_counts, tally_looks
from pipelines.fleet.histories.recorded import (
    DAY,
    Days,
    RecordedHistories,
    Words,
    asset_names,
    draw_findings,
    event_rows,
    inspections,
    times,
)
from pipelines.fleet.plant.arrays import Flags, Floats

SINCE = pd.Timestamp("2026-01-04", tz="UTC").as_unit("us")
WEEK = 7.0
HORIZON = 14 * DAY
BEFORE = 60.0  # days for which the machines have run when the champion is promoted
WARNING = (7.5, 12.0)  # days before a failure from which on a defect can be seen
VISIT = (0.5, 3.0)  # days from an alert until mechanics come
MOST_ASSETS = 25_000  # simulated at once
REPAIR = 6.0  # days from a failure to the next one, at least


@dataclass(frozen=True)
class MonitoredPlant:
    """What the plant is like."""

    assets: int = 50  # of each history
    weeks: int = 29  # nothing has matured in the first five: 24 looks
    defects: float = 0.04  # a week and asset; thirds of the assets have half, once and one and a half times as many
    missed: float = 0.2  # share of defects that the champion does not see
    false_alarm: float = 0.01  # probability of a false alert, for each decision
    acted: float = 0.8  # share of alarms to which mechanics come
    not_inspected: float = 0.1  # of these, share in which they do not look, and so prevent nothing
    unreported_share: float = 0.0  # share in which they look, prevent what they can, and do not report their finding
    misreported: float = 0.0  # share of the confirmed defects that are repaired and reported as "no fault found"
    repeated: float = 0.1  # share of failures that are soon followed by another one with the same cause
    late: float = 7.0  # mean days that reports take, exponential
    stride: float = 7.0  # days between decisions
    hold_back: float = 0.0  # share of the alarms that are held back at random
    worse_from: float = np.inf  # week from which on the champion misses another share
    worse_missed: float = 0.45

    @property
    def now(self) -> pd.Timestamp:
        """Return the time of the last look."""
        return SINCE + self.weeks * WEEK * DAY

    @property
    def without_interventions(self) -> "MonitoredPlant":
        """Return the same plant where nobody acts on alarms and every report comes at once."""
        return replace(self, acted=0.0, late=0.0)


def simulate(plant: MonitoredPlant, histories: int, rng: np.random.Generator) -> RecordedHistories:
    """Draw what is recorded of independent histories."""
    assets, last = histories * plant.assets, WEEK * plant.weeks
    breaks = _breaks(plant, assets, last, rng)
    begins = np.maximum(breaks - rng.uniform(*WARNING, breaks.shape), np.roll(breaks, 1, axis=1) + 0.1)
    begins[:, 0] = breaks[:, 0] - WARNING[0]
    missed = np.where(breaks > WEEK * plant.worse_from, plant.worse_missed, plant.missed)
    # Scored a day after the promotion, and at that time of the week from then on.
    step = np.ceil((begins - 1) / plant.stride)
    alarm = 1 + step * plant.stride
    seen = (rng.random(breaks.shape) >= missed) & (alarm < breaks)
    work = alarm + rng.uniform(*VISIT, breaks.shape)
    would_visit = seen & (rng.random(breaks.shape) < plant.acted) & (work < breaks)
    findings = _draw_findings(plant, breaks.shape, "defect_confirmed", rng)
    looked = findings != "not_inspected"
    if plant.misreported:
        wrong = (findings == "defect_confirmed") & (rng.random(breaks.shape) < plant.misreported)
        findings = np.where(wrong, "no_fault_found", findings)

    decided = 1 + plant.stride * np.arange(int((last - 1) // plant.stride) + 1)
    false = rng.random((assets, len(decided))) < plant.false_alarm
    # An alarm held back lets its defect go on, which changes the later alerts, and so what is drawn at these.
    held_back, draws, visited = np.zeros_like(false), None, would_visit
    seed = int(rng.integers(2**31)) if plant.hold_back else 0
    while True:
        failed = ~(visited & looked)
        alert = _alerts(plant, false, decided, seen, step, np.where(failed, breaks, work))
        if not plant.hold_back:
            break
        again, draws = draw_histories(alert, decided, start=SINCE, claim=HORIZON, share=plant.hold_back, seed=seed)
        if (again == held_back).all():
            break
        held_back, visited = again, would_visit & ~_at_first_alert(again, step)

    checked = np.broadcast_to(decided, false.shape) + rng.uniform(*VISIT, false.shape)
    visited_in_vain = false & (rng.random(false.shape) < plant.acted) & ~held_back
    no_faults = _draw_findings(plant, false.shape, "no_fault_found", rng)
    followed = failed & (rng.random(breaks.shape) < plant.repeated)
    repeats = breaks + rng.uniform(0.2, 1.5, breaks.shape)
    failures = pd.concat(
        [_events(breaks, failed, plant, rng), _events(repeats, followed, plant, rng)], ignore_index=True
    )
    orders = pd.concat(
        [
            _events(work, visited, plant, rng, finding=findings),
            _events(checked, visited_in_vain, plant, rng, finding=no_faults),
        ],
        ignore_index=True,
    )
    predictions = pd.DataFrame(
        {
            "asset": np.repeat(asset_names(np.arange(assets)), len(decided)),
            "as_of": times(SINCE, np.tile(decided, assets)),
            "alert": alert.ravel(),
        }
    )
    failures = failures.assign(failure_id=failures.index.astype(str))
    return RecordedHistories(predictions, failures, inspections(orders), plant.assets, draws)


def measure_reference_rates(plant: MonitoredPlant, rng: np.random.Generator, *, assets: int = 30_000) -> ReferenceRates:
    """Measure the champion's error rates where nobody acts on alarms, on so many assets that little is uncertain."""
    evaluated = replace(plant.without_interventions, assets=assets, weeks=30)
    # What matured in the first weeks would bear the marks of the beginning.
    rates = error_rates(simulated_outcomes(evaluated, 1, rng), start=SINCE + 4 * WEEK * DAY)
    # There is no season, and the time of the evaluation is that of the histories.
    return replace(ReferenceRates.of(rates, "its evaluation"), period=None)


def simulated_outcomes(plant: MonitoredPlant, histories: int, rng: np.random.Generator) -> Outcomes:
    """Simulate histories and return the outcomes known at the last look."""
    return simulate(plant, histories, rng).outcomes(plant.now, HORIZON)


def simulated_looks(plant: MonitoredPlant, histories: int, *, seed: int) -> LookCounts:
    """Simulate histories and count their weekly looks."""
    rng, parts = np.random.default_rng(seed), []
    at_once = max(MOST_ASSETS // plant.assets, 1)
    for begun in range(0, histories, at_once):
        count = min(at_once, histories - begun)
        outcomes = simulated_outcomes(plant, count, rng)
        grid = Grid(SINCE, 7 * DAY, findings=FindingQuality(sensitivity=1 - plant.misreported))
        parts.append(tally_looks(outcomes, plant.assets, count, grid))
    return join_counts(parts)


def _breaks(plant: MonitoredPlant, assets: int, last: float, rng: np.random.Generator) -> Floats:
    """Return (assets, defects) days at which machines would fail if nobody came, beyond the last week."""
    rate = plant.defects * np.array([0.5, 1.0, 1.5])[np.arange(assets) % 3]
    between = WEEK / rate - REPAIR
    most = int((BEFORE + last) / WEEK * plant.defects * 1.5 * 2) + 12
    gaps = REPAIR + rng.exponential(1.0, (assets, most)) * between[:, None]
    return np.asarray(np.cumsum(gaps, axis=1) - BEFORE - rng.uniform(0, 60, (assets, 1)))


def _alerts(plant: MonitoredPlant, false: Flags, decided: Days, seen: Flags, step: Days, ends: Floats) -> Flags:
    """Return (assets, decisions) alerts: the false ones, and those from when a defect is seen until it ends."""
    alert = false.copy()
    rows, _ = np.nonzero(seen)
    first, end = step[seen].astype(int), ends[seen]
    for later in range(int(np.ceil(WARNING[1] / plant.stride)) + 1):
        place = first + later
        inside = (place >= 0) & (place < len(decided)) & (1 + place * plant.stride < end)
        alert[rows[inside], place[inside]] = True
    return alert


def _at_first_alert(held_back: Flags, step: Days) -> Flags:
    """Mark the defects (assets, defects) whose first alert is held back."""
    place = step.astype(int)
    inside = (place >= 0) & (place < held_back.shape[1])
    return np.asarray(inside & np.take_along_axis(held_back, np.clip(place, 0, held_back.shape[1] - 1), axis=1))


def _draw_findings(plant: MonitoredPlant, shape: tuple[int, ...], truth: str, rng: np.random.Generator) -> Words:
    truths = np.full(shape, truth, dtype=object)
    return draw_findings(truths, rng, not_inspected=plant.not_inspected, unreported=plant.unreported_share)


def _events(
    days: Floats, where: Flags, plant: MonitoredPlant, rng: np.random.Generator, **columns: Words
) -> pd.DataFrame:
    """Return the events that fall into the weeks watched; they are reported late."""
    inside = where & (days > 0) & (days < WEEK * plant.weeks)
    delay = rng.exponential(1.0, int(inside.sum())) * plant.late
    values = {name: column[inside] for name, column in columns.items()}
    return event_rows(SINCE, np.nonzero(inside)[0], days[inside], delay, **values)
