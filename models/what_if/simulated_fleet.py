"""Fleets that live through a time under an alternative: machines fail, crews come, parts are renewed.

The loop is closed: a visit that finds a defect renews the part, whose new life then counts. Every part's life, its
approach to failure and every calm week are drawn beforehand, the same for every alternative, so that two of them differ
in nothing but what they do and what follows from it. All machines of all fleets step together, a stride at a time.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.progress import ProgressCallback, silent
from models.outcomes.outcomes import Terms
from models.what_if.alternatives import Alternative
from models.what_if.event_costs import (
    COUNTS,
    FAILURES,
    FALSE_ALARMS,
    IN_VAIN,
    MISSED,
    PREVENTED,
    SHORT,
    VISITS,
    EventCosts,
)
from models.what_if.fates import Fates
from models.what_if.fitted_fleet import FittedFleet
from models.what_if.replay import Replay, ReplayTerms

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
_HOUR = pd.Timedelta(hours=1)
_DAY_HOURS = 24.0


@dataclass(frozen=True)
class SimulatedModel:
    """How the model's scores become alerts."""

    name: str
    column: int  # of the fitted scores
    threshold: float
    terms: Terms


def simulate(
    alternative: Alternative,
    model: SimulatedModel,
    fleet: FittedFleet,
    fates: Fates,
    shared: ReplayTerms,
    costs: EventCosts,
    progress: ProgressCallback = silent,
) -> Replay:
    """Let the fleets live under an alternative; the counts have one row a fleet."""
    run = _Run(alternative, model, fleet, fates, shared, costs)
    for step in range(fates.steps):
        run.step(step)
        if step % 200 == 0:
            progress(f"simulate {model.name}", step, fates.steps)
    progress(f"simulate {model.name}", fates.steps, fates.steps)
    counts = pd.DataFrame(0.0, index=range(len(fates.lives)), columns=list(COUNTS))
    for name, values in run.finish().items():
        counts[name] = values.astype(np.float64)
    kept = sum(number for _, number in alternative.stock) * costs.keeping
    return Replay(alternative, model.name, counts, kept)


class _Run:
    """The state of all machines between two steps; arrays are (n_fleets, n_assets) unless said otherwise."""

    def __init__(
        self,
        alternative: Alternative,
        model: SimulatedModel,
        fleet: FittedFleet,
        fates: Fates,
        shared: ReplayTerms,
        costs: EventCosts,
    ) -> None:
        self.alternative, self.model, self.fleet, self.fates = alternative, model, fleet, fates
        self.hours = fleet.stride_hours
        self.response, self.detectable = shared.response / _HOUR, shared.detectable / _HOUR
        self.part_lead = shared.part_lead / _HOUR
        terms = model.terms
        self.lead, self.claim, self.gap = terms.lead / _HOUR, terms.claim / _HOUR, terms.gap / _HOUR
        self.down = costs.of_asset.unplanned_hours, costs.planned_hours
        fleets, machines, _ = fates.first.shape
        self.size = (fleets, machines)
        self.life = fates.first.copy()
        self.fails_at = fates.residual.copy()  # (n_fleets, n_assets, n_modes)
        every = fates.renew_every
        self.renews_at = np.where(np.isfinite(every), fates.phase * np.where(np.isfinite(every), every, 0.0), np.inf)
        self.stands_until = np.zeros(self.size)
        self.last_alert, self.began = np.full(self.size, -np.inf), np.zeros(self.size)
        self.claims = np.zeros(self.size)
        self.open, self.true = np.zeros(self.size, np.bool_), np.zeros(self.size, np.bool_)
        self.waits, self.lapses = np.full(self.size, np.inf), np.full(self.size, np.inf)  # an alarm's visit
        self.risk = np.zeros(self.size)
        self.alerted = np.full((max(1, int(np.ceil(self.claim / self.hours)) + 1), *self.size), -np.inf)
        interval = alternative.inspect_every
        self.interval = np.inf if interval is None else interval / _HOUR
        spread = (np.arange(machines) + 0.5) / machines
        due = spread * self.interval if interval is not None else np.full(machines, np.inf)
        self.due = np.broadcast_to(due, self.size).copy()
        self.places = np.zeros(fleets)
        self.stock = {mode: np.full(fleets, float(number)) for mode, number in alternative.stock}
        self.orders: list[tuple[float, str, Integers]] = []
        self.counts = {name: np.zeros(fleets) for name in COUNTS}

    def step(self, number: int) -> None:
        """Advance to the end of a stride."""
        now = (number + 1) * self.hours
        if int(now // _DAY_HOURS) != int((now - self.hours) // _DAY_HOURS) or not number:
            limit = self.alternative.machines_per_day
            self.places = np.full(self.size[0], np.inf if limit is None else float(limit))
        self._deliver(now)
        self._fail(now)
        self._routine(now)
        self._watch(number, now)
        self._visit(now)

    def finish(self) -> dict[str, Floats]:
        """Return the counts of each fleet, with the alarms that stand at the end."""
        self._close(self.open)
        return self.counts

    def _add(self, name: str, which: Flags) -> None:
        self.counts[name] += which.sum(axis=1)

    def _fail(self, now: float) -> None:
        at = self.fails_at.min(axis=2)
        failed = (at <= now) & (self.stands_until <= now)
        if not failed.any():
            return
        mode = self.fails_at.argmin(axis=2)
        announced = ((self.alerted >= at - self.claim) & (self.alerted < at - self.lead)).any(axis=0)
        self._add(FAILURES, failed)
        self._add(MISSED, failed & ~announced)
        self._renew(failed, mode, now + self.down[0])
        self.stands_until[failed] = now + self.down[0]
        # The alarm has been answered by the failure: nobody needs to visit for it.
        self.waits[failed] = np.inf
        self._use(failed, mode, now)

    def _routine(self, now: float) -> None:
        for mode in np.flatnonzero(np.isfinite(self.fates.renew_every)):
            due = self.renews_at[:, :, mode] <= now
            self._renew(due, np.full(self.size, mode), now)
            self.renews_at[:, :, mode] += np.where(due, self.fates.renew_every[mode], 0.0)

    def _watch(self, number: int, now: float) -> None:
        """Score the machines that run, and open, extend or close alarms."""
        remaining, mode = self.fails_at.min(axis=2) - now, self.fails_at.argmin(axis=2)
        length, week = self.fleet.approaches.shape[1], self.fleet.calm.shape[1]
        before = np.minimum(remaining / self.hours, length).astype(np.int64)
        near = before < length
        part = self._pick(self.fates.approach, mode)
        rising = self.fleet.approaches[part, np.clip(length - 1 - before, 0, length - 1), self.model.column]
        calm = self.fleet.calm[self.fates.calm[:, :, number // week], number % week, self.model.column]
        score = np.where(near, rising, calm)
        alert = (score >= self.model.threshold) & (self.stands_until <= now)
        self._close(self.open & (now - self.last_alert > self.gap))
        restarts = alert & self.open & ((now - self.began) // self.claim != self.claims)
        opens = alert & (~self.open | restarts)
        self._close(restarts)
        self.claims = np.where(opens, np.where(restarts, (now - self.began) // self.claim, 0.0), self.claims)
        self.began = np.where(opens & ~restarts, now, self.began)
        self.open |= alert
        self.true |= alert & (remaining > self.lead) & (remaining <= self.claim)
        self.last_alert = np.where(alert, now, self.last_alert)
        self.alerted[number % len(self.alerted)] = np.where(alert, now, -np.inf)
        self.risk = np.where(opens, score, self.risk)
        self.waits = np.where(opens & ~np.isfinite(self.waits), now + self.response, self.waits)
        self.lapses = np.where(alert, now + self.claim, self.lapses)
        self.waits[np.isfinite(self.waits) & (self.lapses < now)] = np.inf

    def _close(self, which: Flags) -> None:
        self._add(FALSE_ALARMS, which & ~self.true)
        self.open, self.true = self.open & ~which, self.true & ~which

    def _visit(self, now: float) -> None:
        runs = self.stands_until <= now
        by_alarm, by_calendar = (self.waits <= now) & runs, (self.due <= now) & runs
        wanted = by_alarm | by_calendar
        if not wanted.any():
            return
        visited = self._take_places(wanted, np.where(by_alarm, self.risk, -1.0))
        remaining, mode = self.fails_at.min(axis=2) - now, self.fails_at.argmin(axis=2)
        finds = visited & (remaining <= self.detectable)
        self._add(VISITS, visited)
        self._add(PREVENTED, finds)
        self._add(IN_VAIN, visited & ~finds)
        self._renew(finds, mode, now)
        self._use(finds, mode, now)
        self.stands_until[finds] = now + self.down[1]
        self.waits[visited] = np.inf
        self.due = np.where(visited & by_calendar, self.due + self.interval, self.due)

    def _take_places(self, wanted: Flags, rank: Floats) -> Flags:
        """Give the places that a day has left to the most urgent of each fleet."""
        if np.isinf(self.places).all():
            return wanted
        order = np.argsort(np.where(wanted, -rank, np.inf), axis=1, kind="stable")
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.broadcast_to(np.arange(order.shape[1]), order.shape).copy(), axis=1)
        taken = wanted & (place < self.places[:, None])
        self.places -= taken.sum(axis=1)
        return taken

    def _renew(self, which: Flags, mode: Integers, begins: float) -> None:
        if not which.any():
            return
        fleet, machine = np.nonzero(which)
        part = mode[fleet, machine]
        self.life[fleet, machine, part] = (self.life[fleet, machine, part] + 1) % self.fates.lives.shape[3]
        life = self.fates.lives[fleet, machine, part, self.life[fleet, machine, part]]
        self.fails_at[fleet, machine, part] = begins + life

    def _pick(self, values: Integers, mode: Integers) -> Integers:
        fleets, machines = np.indices(self.size)
        return np.asarray(values[fleets, machines, mode, self.life[fleets, machines, mode]])

    def _use(self, which: Flags, mode: Integers, now: float) -> None:
        for name, on_hand in self.stock.items():
            number = next((place for place, one in enumerate(self.fleet.modes) if one.mode == name), -1)
            needed = (which & (mode == number)).sum(axis=1)
            served = np.minimum(needed, on_hand)
            self.counts[SHORT] += needed - served
            self.stock[name] = on_hand - served
            if served.any():
                self.orders.append((now + self.part_lead, name, served.astype(np.int64)))

    def _deliver(self, now: float) -> None:
        arrived = [order for order in self.orders if order[0] <= now]
        self.orders = [order for order in self.orders if order[0] > now]
        for _, name, number in arrived:
            self.stock[name] += number
