"""The physical life of the fleet: work, wear, failures and repairs, hour by hour.

Every source of chance is a stream of its own that consumes the same numbers each hour whatever happens. So the same
seed gives the same fleet however it is advanced, and two runs that differ in one alarm differ in nothing else but
what follows from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pipelines.fleet.plant import channels, disturbances, regimes, wear
from pipelines.fleet.plant.arrays import Flags, Floats, Integers
from pipelines.fleet.plant.machines import Machines
from pipelines.fleet.records import mechanics
from pipelines.fleet.records.reports import MechanicReport

STREAMS = ("begin", "regimes", "parts", "growth", "disturbances", "mechanics")


@dataclass(frozen=True)
class Stretch:
    """What a stretch of hours left behind; the first axis of every array is the hour, the last the machine."""

    begins: pd.DatetimeIndex  # of each hour, UTC
    regime: Integers
    level: Floats  # wear, (n_hours, n_modes, n_machines)
    visible_wear: Floats  # (n_hours, n_modes, n_machines)
    disturbed: Floats  # strengths, (n_hours, n_disturbances, n_machines)
    heat: Floats  # of the work, over the air, degC
    runs: Flags  # to the end of the hour
    failed: Flags
    minute: Floats  # of a failure in the hour
    orders: list[MechanicReport] = field(default_factory=list)
    failures: list[MechanicReport] = field(default_factory=list)


@dataclass
class Life:
    """The state of the machines between two hours."""

    machines: Machines
    streams: dict[str, np.random.Generator]  # by source of chance, see STREAMS
    parts: wear.Wear
    workshop: mechanics.Workshop
    disturbed: disturbances.ActiveDisturbances
    job: Integers  # (n_machines,)
    heat: Floats  # (n_machines,), of the work, over the air, degC
    next_order: int = 1
    next_failure: int = 1


def begin(machines: Machines, seed: np.random.SeedSequence) -> Life:
    """Return machines in the midst of their lives."""
    streams = {name: np.random.default_rng(s) for name, s in zip(STREAMS, seed.spawn(len(STREAMS)), strict=True)}
    count, rng = len(machines), streams["begin"]
    return Life(
        machines=machines,
        streams=streams,
        parts=wear.new_wear(rng.random((wear.DRAWS, len(wear.MODES), count))),
        workshop=mechanics.open_workshop(count, rng),
        disturbed=disturbances.no_disturbances(count),
        job=rng.integers(regimes.ROUGHING, regimes.FINISHING + 1, size=count),
        heat=np.full(count, channels.LEVELS[regimes.IDLE, channels.TEMPERATURE]),
    )


def live(life: Life, first: int, begins: pd.DatetimeIndex, alarms: Sequence[tuple[int, int]]) -> Stretch:
    """Advance `life` by a stretch of hours, of which `first` is the number of the first.

    An alarm is the hour in which it reaches the mechanics and the index of the machine.
    """
    draws_by_stream = _draw(life, len(begins))
    shifts = life.machines.first_hour, life.machines.last_hour
    in_shift = regimes.staffed(*shifts, begins.hour.to_numpy(), begins.day_of_week.to_numpy())
    stretch = _empty(begins, len(life.machines), mechanics.failure_minute(draws_by_stream["mechanics"]))
    alarmed: dict[int, list[int]] = {}
    for hour, machine in alarms:
        alarmed.setdefault(hour, []).append(machine)
    for row in range(len(begins)):
        draws = {name: each[row] for name, each in draws_by_stream.items()}
        for machine in alarmed.get(first + row, ()):
            mechanics.plan_inspection(life.workshop, machine, first + row, draws["mechanics"])
        _work(life, stretch, first + row, draws)
        _run(life, stretch, row, first + row, in_shift[row], draws)
    return stretch


def _draw(life: Life, hours: int) -> dict[str, Floats]:
    """Draw the random numbers of all hours; drawn at once or in pieces, a stream gives the same numbers."""
    count, modes, passing = len(life.machines), len(wear.MODES), len(disturbances.DISTURBANCES)
    streams = life.streams
    return {
        "regimes": streams["regimes"].random((hours, regimes.DRAWS, count)),
        "parts": streams["parts"].random((hours, wear.DRAWS, modes, count)),
        "growth": streams["growth"].standard_normal((hours, modes, count)),
        "disturbances": streams["disturbances"].random((hours, disturbances.DRAWS, passing, count)),
        "mechanics": streams["mechanics"].random((hours, mechanics.DRAWS, count)),
    }


def _empty(begins: pd.DatetimeIndex, count: int, minute: Floats) -> Stretch:
    """Return a stretch to be filled."""
    hours, modes, passing = len(begins), len(wear.MODES), len(disturbances.DISTURBANCES)
    return Stretch(
        begins=begins,
        regime=np.zeros((hours, count), dtype=np.int64),
        level=np.zeros((hours, modes, count)),
        visible_wear=np.zeros((hours, modes, count)),
        disturbed=np.zeros((hours, passing, count)),
        heat=np.zeros((hours, count)),
        runs=np.zeros((hours, count), dtype=bool),
        failed=np.zeros((hours, count), dtype=bool),
        minute=minute,
    )


def _work(life: Life, stretch: Stretch, hour: int, draws: dict[str, Floats]) -> None:
    """Let the mechanics do what is due at the begin of the hour."""
    replaced, reports = mechanics.work(life.workshop, life.parts, hour, draws["mechanics"], life.next_order)
    if reports:
        wear.renew(life.parts, replaced, draws["parts"])
        stretch.orders.extend(reports)
        life.next_order = reports[-1].number + 1


def _run(life: Life, stretch: Stretch, row: int, hour: int, in_shift: Flags, draws: dict[str, Floats]) -> None:
    """Let the machines run through the hour, and note what it leaves behind."""
    up = life.workshop.stands_until <= hour
    life.job = regimes.next_jobs(life.job, draws["regimes"])
    regime = np.where(up, regimes.regime_of(life.job, in_shift, draws["regimes"]), regimes.IDLE)
    life.heat = channels.heat_after(life.heat, regime)
    failed = wear.step(life.parts, np.where(up, regimes.LOAD[regime], 0.0), draws["growth"]) & up
    if failed.any():
        reports = mechanics.failure_reports(failed, hour, draws["mechanics"], life.next_failure)
        mechanics.plan_repairs(life.workshop, failed, hour, draws["mechanics"])
        stretch.failures.extend(reports)
        life.next_failure = reports[-1].number + 1
    stretch.regime[row] = regime
    stretch.level[row] = life.parts.level
    stretch.visible_wear[row] = life.parts.visible()
    stretch.disturbed[row] = disturbances.step(life.disturbed, draws["disturbances"])
    stretch.heat[row] = life.heat
    stretch.failed[row] = failed.any(axis=0)
    stretch.runs[row] = up & ~stretch.failed[row]
