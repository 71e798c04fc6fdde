"""The physical life of the fleet: work, wear, failures and mending, hour by hour.

Every source of chance is a stream of its own that consumes the same numbers each hour whatever happens. So the same
seed gives the same fleet however it is advanced, and two runs that differ in one alarm differ in nothing else but
what follows from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.fleet import channels, disturbances, mechanics, regimes, wear
from pipelines.fleet.machines import Machines
from pipelines.fleet.reports import MechanicReport

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

STREAMS = ("begin", "regimes", "parts", "growth", "disturbances", "mechanics")


@dataclass(frozen=True)
class Stretch:
    """Hold what a stretch of hours left behind; the first axis of every array is the hour.

    Parameters
    ----------
    begins : pandas.DatetimeIndex
        Begin of each hour, UTC.
    regime : ndarray of int, shape (n_hours, n_machines)
        Regime.
    level, announced : ndarray, shape (n_hours, n_modes, n_machines)
        Wear, and wear as it shows.
    disturbed : ndarray, shape (n_hours, n_disturbances, n_machines)
        Disturbances as they show.
    heat : ndarray, shape (n_hours, n_machines)
        Heat of the work over the air in degC.
    runs, failed : ndarray of bool, shape (n_hours, n_machines)
        Whether the machine ran to the end of the hour, and whether it failed in it.
    minute : ndarray, shape (n_hours, n_machines)
        Minute of a failure in the hour.
    orders, failures : list of MechanicReport
        What the mechanics report.
    """

    begins: pd.DatetimeIndex
    regime: Integers
    level: Floats
    announced: Floats
    disturbed: Floats
    heat: Floats
    runs: Flags
    failed: Flags
    minute: Floats
    orders: list[MechanicReport] = field(default_factory=list)
    failures: list[MechanicReport] = field(default_factory=list)


@dataclass
class Life:
    """Hold the state of the machines between two hours.

    Parameters
    ----------
    machines : Machines
        What is fixed about them.
    streams : dict of str to numpy.random.Generator
        One stream a source of chance, named in ``STREAMS``.
    parts : Wear
        State of the components.
    workshop : Workshop
        What the mechanics have before them.
    disturbed : Disturbed
        Disturbances at work.
    job : ndarray of int, shape (n_machines,)
        The job in hand.
    heat : ndarray, shape (n_machines,)
        Heat of the work over the air in degC.
    next_order, next_failure : int
        Numbers to give to the next work order and failure.
    """

    machines: Machines
    streams: dict[str, np.random.Generator]
    parts: wear.Wear
    workshop: mechanics.Workshop
    disturbed: disturbances.Disturbed
    job: Integers
    heat: Floats
    next_order: int = 1
    next_failure: int = 1


def begin(machines: Machines, seed: np.random.SeedSequence) -> Life:
    """Return machines in the midst of their lives.

    Parameters
    ----------
    machines : Machines
        The fleet.
    seed : numpy.random.SeedSequence
        Seed of all streams.

    Returns
    -------
    Life
        The state at the begin.
    """
    streams = {name: np.random.default_rng(s) for name, s in zip(STREAMS, seed.spawn(len(STREAMS)), strict=True)}
    count, chance = len(machines), streams["begin"]
    return Life(
        machines=machines,
        streams=streams,
        parts=wear.new_wear(chance.random((wear.DRAWS, len(wear.MODES), count))),
        workshop=mechanics.open_workshop(count, chance),
        disturbed=disturbances.undisturbed(count),
        job=chance.integers(regimes.ROUGHING, regimes.FINISHING + 1, size=count),
        heat=np.full(count, channels.LEVELS[regimes.IDLE, channels.TEMPERATURE]),
    )


def live(life: Life, first: int, begins: pd.DatetimeIndex, alarms: Sequence[tuple[int, int]]) -> Stretch:
    """Let a stretch of hours pass.

    Parameters
    ----------
    life : Life
        State; changed in place.
    first : int
        Number of the first hour.
    begins : pandas.DatetimeIndex
        Begin of each hour, UTC.
    alarms : sequence of (int, int)
        Hour and machine of alarms, in the order in which the mechanics hear of them.

    Returns
    -------
    Stretch
        What the hours left behind.
    """
    chances = _draw(life, len(begins))
    shifts = life.machines.first_hour, life.machines.last_hour
    in_shift = regimes.staffed(*shifts, begins.hour.to_numpy(), begins.day_of_week.to_numpy())
    stretch = _empty(begins, len(life.machines), mechanics.failure_minute(chances["mechanics"]))
    called: dict[int, list[int]] = {}
    for hour, machine in alarms:
        called.setdefault(hour, []).append(machine)
    for row in range(len(begins)):
        draws = {name: chance[row] for name, chance in chances.items()}
        for machine in called.get(first + row, ()):
            mechanics.accept(life.workshop, machine, first + row, draws["mechanics"])
        _mend(life, stretch, first + row, draws)
        _run(life, stretch, row, first + row, in_shift[row], draws)
    return stretch


def _draw(life: Life, hours: int) -> dict[str, Floats]:
    """Draw the chances of all hours; drawn at once or in pieces, a stream gives the same numbers."""
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
        announced=np.zeros((hours, modes, count)),
        disturbed=np.zeros((hours, passing, count)),
        heat=np.zeros((hours, count)),
        runs=np.zeros((hours, count), dtype=bool),
        failed=np.zeros((hours, count), dtype=bool),
        minute=minute,
    )


def _mend(life: Life, stretch: Stretch, hour: int, draws: dict[str, Floats]) -> None:
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
        mechanics.break_down(life.workshop, failed, hour, draws["mechanics"])
        stretch.failures.extend(reports)
        life.next_failure = reports[-1].number + 1
    stretch.regime[row] = regime
    stretch.level[row] = life.parts.level
    stretch.announced[row] = life.parts.announced()
    stretch.disturbed[row] = disturbances.step(life.disturbed, draws["disturbances"])
    stretch.heat[row] = life.heat
    stretch.failed[row] = failed.any(axis=0)
    stretch.runs[row] = up & ~stretch.failed[row]
