"""Many simulated fleets whose alarms are acted on or held back at random, with what acting truly avoided.

The machines live as those of `pipelines.fleet`. At each alarm the fleet is copied and lives through what the alarm
claims without acting on it: the copy has the same random numbers, so it differs in nothing but what follows from that.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.outcomes.episodes import Terms
from models.value.alarms import AlarmHistory, alarm_history, undrawn_alarms
from pipelines.fleet import life
from pipelines.fleet.plant.arrays import Flags, Floats, Integers
from pipelines.fleet.plant.machines import make_machines
from pipelines.fleet.records.reports import MechanicReport, failure_rows, work_order_rows

DAY, HOUR = pd.Timedelta(days=1), pd.Timedelta(hours=1)
START = pd.Timestamp("2025-01-01", tz="UTC").as_unit("us")
TERMS = Terms(lead=0 * DAY, horizon=3 * DAY, gap=DAY, reporting_delay=4 * DAY)
SETTLING, REPORTING = 40, 10  # days before the first alarm, and after the last
PLANTS = ("north", "south")
_CLAIM = int(TERMS.claim / HOUR)
_NEVER = np.iinfo(np.int64).min // 2
# Downtime of a failure, of a repair after an alarm and of an inspection without a fault: mean hours.
_MEAN_HOURS = (15.0, 5.0, 1.5)
_Alarm = tuple[int, int]  # the hour in which it reaches the mechanics, and the machine


@dataclass(frozen=True)
class ActedFleet:
    """What a fleet, its alarms and its mechanics are like; in the south false alarms are twice as frequent."""

    machines: int = 20  # of each history, half of them in each plant
    days: int = 120
    hold_back: float = 0.2
    threshold: float = 0.5  # of the visible wear, from which on there is an alert
    false_alarms: float = 0.01  # a day and machine
    acted: float = 0.9  # share of the announced alarms that reach mechanics
    late: int = 0  # hours until they do

    @property
    def begins(self) -> pd.Timestamp:
        """Return when the first alarm can be raised."""
        return START + SETTLING * DAY

    @property
    def ends(self) -> pd.Timestamp:
        """Return when no more alarms are counted."""
        return self.begins + self.days * DAY


@dataclass(frozen=True)
class ActedHistories:
    """What is recorded of independent histories side by side, and what happens without acting."""

    fleet: ActedFleet
    recorded: AlarmHistory
    truth: pd.DataFrame  # asset, opened, would_fail, would_stand (hours after that failure); a row an alarm
    failures: Integers  # of each history
    failures_without: Integers  # of each, had nobody ever acted on an alarm

    def split(self) -> Iterator[tuple[AlarmHistory, pd.DataFrame]]:
        """Yield what is recorded of each history, and its alarms with the truth beside them."""
        known = self.recorded
        alarms = known.alarms.merge(self.truth, on=["asset", "opened"], validate="1:1").set_axis(known.alarms.index)
        frames = (known.alarms, known.failures, known.orders, alarms)
        parts = [dict(iter(frame.groupby(_history(frame["asset"], self.fleet.machines)))) for frame in frames]
        for number in range(len(self.failures)):
            recorded_alarms, failures, orders, truth = (
                part.get(number, frame.head(0)) for part, frame in zip(parts, frames, strict=True)
            )
            yield AlarmHistory(recorded_alarms, failures, orders), truth


@dataclass
class _Drawn:
    """The last alarm of each machine."""

    opened: Integers  # its hour
    held: Flags  # whether it was held back
    reaches: Flags  # whether it reaches the mechanics


def simulate_acted(fleet: ActedFleet, histories: int, seed: int) -> ActedHistories:
    """Simulate fleets side by side, whose machines do not influence each other."""
    count, days = histories * fleet.machines, fleet.days + REPORTING
    machines = make_machines(count, np.random.default_rng(seed))
    lives = life.begin(machines, np.random.SeedSequence(seed))
    for _ in _live(lives, 0, SETTLING * 24):
        pass
    without = deepcopy(lives)
    rng = np.random.default_rng((seed, 1))
    noise, (spurious, draw, reaching) = rng.standard_normal((days, count)), rng.random((3, days, count))
    hours = rng.gamma(4.0, np.array(_MEAN_HOURS)[:, None, None] / 4.0, (3, SETTLING + days + 5, count))
    false_rate = fleet.false_alarms * np.where(_in_south(np.arange(count), fleet), 4 / 3, 2 / 3)
    last = _Drawn(np.full(count, _NEVER), np.zeros(count, bool), np.zeros(count, bool))
    queue: list[_Alarm] = []
    opened, failures, orders = list[pd.DataFrame](), list[MechanicReport](), list[MechanicReport]()
    for day in range(days):
        hour = (SETTLING + day) * 24
        wear = lives.parts.visible().max(axis=0) + 0.1 * noise[day]
        alert = (wear > fleet.threshold) | (spurious[day] < false_rate)
        alert &= lives.workshop.stands_until <= hour
        new = np.flatnonzero(alert & (hour - last.opened >= _CLAIM))
        last.opened[new] = hour
        last.held[new], last.reaches[new] = draw[day, new] < fleet.hold_back, reaching[day, new] < fleet.acted
        if len(new):
            outcome = _without_acting(lives, hour, new, queue, hours[0])
            opened.append(outcome.assign(held_back=last.held[new]))
        announced = np.flatnonzero(alert & ~last.held & last.reaches)
        queue += [(hour + fleet.late, machine) for machine in announced.tolist()]
        for stretch in _live(lives, hour, hour + 24, queue):
            failures, orders = failures + stretch.failures, orders + stretch.orders
        queue = [each for each in queue if each[0] >= hour + 24]
    span = range(SETTLING * 24, (SETTLING + fleet.days) * 24)
    unprevented = [each for stretch in _live(without, span.start, span.stop) for each in stretch.failures]
    truth = pd.concat(opened, ignore_index=True)
    truth["asset"] = pd.Series(np.array(machines.assets, dtype=object)[truth.pop("machine")], dtype="str")
    per_history = (
        _count([each for each in own if int(each.hour) in span], fleet, histories) for own in (failures, unprevented)
    )
    recorded = _recorded(fleet, machines.assets, truth, failures, orders, hours)
    return ActedHistories(fleet, recorded, truth[["asset", "opened", "would_fail", "would_stand"]], *per_history)


def _live(lives: life.Life, first: int, end: int, alarms: Sequence[_Alarm] = ()) -> Iterator[life.Stretch]:
    """Advance a fleet by three days at a time, which bounds the memory."""
    for hour in range(first, end, 72):
        begins = START + pd.to_timedelta(np.arange(hour, min(hour + 72, end)), unit="h")
        yield life.live(lives, hour, pd.DatetimeIndex(begins), [each for each in alarms if each[0] < end])


def _without_acting(
    lives: life.Life, hour: int, machines: Integers, queue: Sequence[_Alarm], stands: Floats
) -> pd.DataFrame:
    """Return what happens to machines whose alarms open, if nobody acts on these; earlier ones take their course."""
    (stretch,) = _live(deepcopy(lives), hour, hour + _CLAIM, queue)
    fails = stretch.failed[:, machines]
    day = (hour + fails.argmax(axis=0)) // 24
    would_fail = fails.any(axis=0)
    would_stand = np.where(would_fail, stands[day, machines], 0.0)
    opened = START + hour * HOUR
    return pd.DataFrame({"machine": machines, "opened": opened, "would_fail": would_fail, "would_stand": would_stand})


def _recorded(
    fleet: ActedFleet,
    names: tuple[str, ...],
    truth: pd.DataFrame,
    failed: list[MechanicReport],
    worked: list[MechanicReport],
    hours: Floats,
) -> AlarmHistory:
    """Return what the plant knows of it in the end."""
    failures, orders = failure_rows(failed, START, names), work_order_rows(worked, START, names)
    failures["downtime_hours"] = [hours[0, int(each.hour) // 24, each.machine] for each in failed]
    kinds = [2 if each.finding == "no_fault_found" else 1 for each in worked]
    took = [hours[kind, int(each.hour) // 24, each.machine] for kind, each in zip(kinds, worked, strict=True)]
    orders["downtime_hours"] = np.where(orders["finding"].eq("not_inspected"), 0.0, took)
    plants = np.where(_in_south(np.arange(len(names)), fleet), PLANTS[1], PLANTS[0])
    assets = pd.DataFrame({"asset": names, "event_time": START, "known_time": START, "plant": plants})
    draws = truth.assign(as_of=truth["opened"], until=truth["opened"] + TERMS.claim, share=fleet.hold_back)
    return alarm_history(
        draws,
        undrawn_alarms(draws.head(0) if fleet.hold_back else draws, TERMS),
        failures,
        orders,
        assets=assets.astype({"asset": "str", "plant": "str"}),
        now=fleet.ends + REPORTING * DAY,
        terms=TERMS,
        since=fleet.begins,
        until=fleet.ends,
    )


def _in_south(machine: Integers, fleet: ActedFleet) -> Flags:
    return np.asarray(machine % fleet.machines >= fleet.machines // 2)


def _history(asset: "pd.Series[str]", machines: int) -> "pd.Series[int]":
    return (asset.str.removeprefix("cnc-").astype("int64") - 1) // machines


def _count(reports: Sequence[MechanicReport], fleet: ActedFleet, histories: int) -> Integers:
    machines = np.array([each.machine for each in reports], dtype=np.int64)
    return np.bincount(machines // fleet.machines, minlength=histories)
