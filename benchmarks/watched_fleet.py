"""Histories of a champion in service, from the machines up to what monitoring counts; no drift unless asked for.

Machines grow defects; the champion sees most of them some days ahead and also raises false alarms; mechanics come to
most alarms, prevent the failure or find nothing, and do not always inspect or tell; reports come late, one in twenty
later than is waited for. What the champion promised is measured in a world where nobody acts on alarms and every report
comes at once; what is watched is judged by `models.outcomes` and counted by `models.monitoring.looks`.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.labels.labels import reporting_delay
from models.monitoring.drift import (
    FN,
    FP,
    RECENT,
    SINCE_PROMOTION,
    Budget,
    ReferenceRates,
    false_hypotheses,
    missed_hypotheses,
)
from models.monitoring.e_detectors import shiryaev_roberts
from models.monitoring.e_processes import bernoulli_alternatives, poisson_alternatives
from models.monitoring.looks import Grid, _first_per_asset, _in_grid, _opened_while_watched
from models.outcomes.error_rates import MONTH, error_rates
from models.outcomes.outcomes import Outcomes, Terms, outcomes

DAY = pd.Timedelta(days=1)
SINCE = pd.Timestamp("2026-01-04", tz="UTC").as_unit("us")
WEEK = 7.0
HORIZON = 14 * DAY
BEFORE = 60.0
"""Days for which the machines have run when the champion takes office."""
WARNING = (7.5, 12.0)
"""Days before a failure from which on a defect can be seen."""
MOST_ASSETS = 25_000
"""That are simulated at once."""
REPAIR = 6.0
"""Days from a failure to the next one, at least."""

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Plant:
    """What a plant is like.

    Parameters
    ----------
    assets
        Of each history.
    weeks
        That are watched; nothing has matured in the first five, so 29 of them make 24 looks.
    defects
        A week and asset; assets come in three kinds, of half, once and one and a half times as many.
    missed
        Chance that the champion sees nothing of a defect.
    false_alarm
        Chance of a false alert, for each decision.
    acted
        Chance that mechanics come within three days of an alarm.
    not_inspected
        Chance that they then do not look, and so prevent nothing.
    unreported_share
        Chance that they look, prevent what they can, and do not say what they found.
    repeated
        Chance that a failure is soon followed by another one with the same cause.
    late
        Days that reports take on average; the times are exponential.
    stride
        Days between decisions.
    worse_from, worse_missed
        From which week on the champion misses another share.
    """

    assets: int = 50
    weeks: int = 29
    defects: float = 0.04
    missed: float = 0.2
    false_alarm: float = 0.01
    acted: float = 0.8
    not_inspected: float = 0.1
    unreported_share: float = 0.0
    repeated: float = 0.1
    late: float = 7.0
    stride: float = 7.0
    worse_from: float = np.inf
    worse_missed: float = 0.45

    @property
    def now(self) -> pd.Timestamp:
        """Return the last look."""
        return SINCE + self.weeks * WEEK * DAY

    @property
    def untouched(self) -> "Plant":
        """Return the same where nobody acts on alarms and every report comes at once."""
        return replace(self, acted=0.0, late=0.0)


@dataclass(frozen=True)
class Watched:
    """What was recorded of many histories side by side; the assets of each are its own.

    Parameters
    ----------
    predictions, failures, work_orders
        As `models.outcomes.outcomes` takes them.
    assets
        Of each history.
    """

    predictions: pd.DataFrame
    failures: pd.DataFrame
    work_orders: pd.DataFrame
    assets: int

    def judged(self, now: pd.Timestamp) -> Outcomes:
        """Judge all that is known at a moment, which includes how long reports take."""
        waits = reporting_delay(self.failures, known_until=now)
        stride = self.predictions["as_of"].drop_duplicates().sort_values().diff().min()
        terms = Terms(lead=0 * DAY, horizon=HORIZON, gap=stride, reporting_delay=waits)
        return outcomes(self.predictions, self.failures, self.work_orders, now=now, terms=terms)


def simulate(plant: Plant, histories: int, rng: np.random.Generator) -> Watched:
    """Let machines run, and record what becomes known of them.

    Parameters
    ----------
    plant
        What they are like.
    histories
        How many, independent of each other.
    rng
        Random numbers.

    Returns
    -------
    Watched
        Nothing is left out; `Watched.judged` looks at what is known.
    """
    assets, last = histories * plant.assets, WEEK * plant.weeks
    breaks = _breaks(plant, assets, last, rng)
    begins = np.maximum(breaks - rng.uniform(*WARNING, breaks.shape), np.roll(breaks, 1, axis=1) + 0.1)
    begins[:, 0] = breaks[:, 0] - WARNING[0]
    share = np.where(breaks > WEEK * plant.worse_from, plant.worse_missed, plant.missed)
    # Scored a day after the champion took office, and at that time of the week from then on.
    step = np.ceil((begins - 1) / plant.stride)
    alarm = 1 + step * plant.stride
    seen = (rng.random(breaks.shape) >= share) & (alarm < breaks)
    work = alarm + rng.uniform(0.5, 3, breaks.shape)
    came = seen & (rng.random(breaks.shape) < plant.acted) & (work < breaks)
    finding = _findings(plant, breaks.shape, "defect_confirmed", rng)
    failed = ~(came & (finding != "not_inspected"))
    ends = np.where(failed, breaks, work)

    decided = 1 + plant.stride * np.arange(int((last - 1) // plant.stride) + 1)
    false = rng.random((assets, len(decided))) < plant.false_alarm
    alert = false.copy()
    rows, _ = np.nonzero(seen)
    first, end = step[seen].astype(int), ends[seen]
    for later in range(int(np.ceil(WARNING[1] / plant.stride)) + 1):
        place = first + later
        inside = (place >= 0) & (place < len(decided)) & (1 + place * plant.stride < end)
        alert[rows[inside], place[inside]] = True

    checked = np.broadcast_to(decided, false.shape) + rng.uniform(0.5, 3, false.shape)
    visited = false & (rng.random(false.shape) < plant.acted)
    nothing = _findings(plant, false.shape, "no_fault_found", rng)
    again = failed & (rng.random(breaks.shape) < plant.repeated)
    repeats = breaks + rng.uniform(0.2, 1.5, breaks.shape)
    failures = pd.concat([_events(breaks, failed, plant, rng), _events(repeats, again, plant, rng)], ignore_index=True)
    orders = pd.concat(
        [
            _events(work, came, plant, rng, finding=finding),
            _events(checked, visited, plant, rng, finding=nothing),
        ],
        ignore_index=True,
    )
    told = pd.DataFrame(
        {
            "asset": np.repeat(_names(np.arange(assets)), len(decided)),
            "as_of": _time(np.tile(decided, assets)),
            "alert": alert.ravel(),
        }
    )
    return Watched(
        told,
        failures.assign(failure_id=failures.index.astype(str)),
        orders.assign(work_order_id=orders.index.astype(str), kind="inspection", prompted_by="alarm"),
        plant.assets,
    )


def promised(plant: Plant, rng: np.random.Generator, *, assets: int = 30_000) -> ReferenceRates:
    """Measure a champion's error rates where nobody acts on alarms.

    Parameters
    ----------
    plant
        What the plant is like.
    rng
        Random numbers.
    assets
        So many that little is left open.
    """
    evaluated = replace(plant.untouched, assets=assets, weeks=30)
    # What matured in the first weeks would bear the marks of the beginning.
    rates = error_rates(simulate(evaluated, 1, rng).judged(evaluated.now), start=SINCE + 4 * WEEK * DAY)
    return ReferenceRates.of(rates, "its evaluation")


@dataclass(frozen=True)
class Counts:
    """The looks of many histories, arrays of shape (histories, looks); see `models.monitoring.looks.Look`."""

    missed: Numbers
    failures: Numbers
    false_episodes: Numbers
    exposure: Numbers


def counted(known: Outcomes, assets: int, histories: int, grid: Grid) -> Counts:
    """Count the looks of each history at once; the same as `count_looks` on each, which would take minutes.

    Parameters
    ----------
    known
        Outcomes of histories that were simulated together.
    assets
        Of each history.
    histories
        How many.
    grid
        When looks are taken, and what counts.
    """
    length = int((known.now - grid.since) // grid.every)

    def tally(frame: pd.DataFrame, weights: Numbers | None = None) -> Numbers:
        whole = (frame["look"] < length).to_numpy()
        owner = frame["asset"].str.slice(1).astype("int64").to_numpy()[whole] // assets
        place = owner * length + frame["look"].to_numpy()[whole]
        chosen = None if weights is None else weights[whole]
        return np.bincount(place, chosen, histories * length).reshape(histories, length).astype(float)

    failures = _in_grid(known.failures, "event_time", grid, None)
    failures = _first_per_asset(failures[failures["state"].isin(["missed", "caught", "prevented"])], "event_time", grid)
    episodes = _in_grid(_opened_while_watched(known), "opened", grid, None)
    decided = _in_grid(known.decisions, "as_of", grid, None)
    decided = decided[decided["state"] != "pending"]
    return Counts(
        missed=tally(failures[failures["state"] == "missed"]),
        failures=tally(failures),
        false_episodes=tally(_first_per_asset(episodes[episodes["state"] == "fp"], "opened", grid)),
        exposure=tally(decided, (decided["covered"] / MONTH).to_numpy(dtype=float)),
    )


def watched(plant: Plant, histories: int, *, seed: int) -> Counts:
    """Simulate histories, judge them at the last look, and count; as many at a time as memory is modest for.

    Parameters
    ----------
    plant
        What the plant is like.
    histories
        How many, independent of each other.
    seed
        Of the random numbers.
    """
    rng, found = np.random.default_rng(seed), []
    at_once = max(MOST_ASSETS // plant.assets, 1)
    for begun in range(0, histories, at_once):
        some = min(at_once, histories - begun)
        known = simulate(plant, some, rng).judged(plant.now)
        found.append(counted(known, plant.assets, some, Grid(SINCE, 7 * DAY)))
    columns = zip(*((one.missed, one.failures, one.false_episodes, one.exposure) for one in found), strict=True)
    return Counts(*map(np.concatenate, columns))


def decided_at(counts: Counts, promise: ReferenceRates, budget: Budget) -> dict[tuple[str, str], Rows]:
    """Say at which looks each test's evidence is over its threshold; as `models.monitoring.drift.evidence_of` does.

    Parameters
    ----------
    counts
        What was counted.
    promise
        What was promised.
    budget
        What harms, and which errors are accepted.

    Returns
    -------
    dict of (rate, test) to np.ndarray
        (histories, looks).
    """
    found = {}
    for rate, alternatives, part, events, amounts in (
        (
            FN,
            bernoulli_alternatives(*missed_hypotheses(promise, budget)),
            budget.part(budget.missed_share),
            counts.missed,
            counts.failures,
        ),
        (
            FP,
            poisson_alternatives(*false_hypotheses(promise, budget)),
            budget.part(1 - budget.missed_share),
            counts.false_episodes,
            counts.exposure,
        ),
    ):
        gains = alternatives.log_gains(events.cumsum(axis=1), amounts.cumsum(axis=1))
        found[rate, SINCE_PROMOTION] = alternatives.log_mixture(gains) >= -np.log(part.alpha)
        threshold = np.log(part.mean_time_between_false)
        sums = np.full((len(events), len(alternatives.log_weights)), -np.inf)
        over = np.zeros(events.shape, dtype=bool)
        for look in range(events.shape[1]):
            # Equal amounts share their tables; sums of equal spans differ in the last digits.
            amount = amounts[:, look].round(9)
            for one in np.unique(amount[amount > 0]):
                own = amount == one
                sums[own] = shiryaev_roberts(sums[own], events[own, look], float(one), alternatives, threshold)
            over[:, look] = alternatives.log_mixture(sums) >= threshold
        found[rate, RECENT] = over
    return found


def _breaks(plant: Plant, assets: int, last: float, rng: np.random.Generator) -> Numbers:
    """Return (assets, defects) days at which machines would fail if nobody came, beyond the last week."""
    fold = np.array([0.5, 1.0, 1.5])[np.arange(assets) % 3]
    between = WEEK / (plant.defects * fold) - REPAIR
    most = int((BEFORE + last) / WEEK * plant.defects * 1.5 * 2) + 12
    gaps = REPAIR + rng.exponential(1.0, (assets, most)) * between[:, None]
    return np.asarray(np.cumsum(gaps, axis=1) - BEFORE - rng.uniform(0, 60, (assets, 1)))


def _findings(plant: Plant, shape: tuple[int, ...], truth: str, rng: np.random.Generator) -> npt.NDArray[np.object_]:
    drawn = rng.random(shape)
    found = np.full(shape, truth, dtype=object)
    found[drawn < plant.not_inspected + plant.unreported_share] = None
    found[drawn < plant.not_inspected] = "not_inspected"
    return found


def _events(
    at: Numbers, where: Rows, plant: Plant, rng: np.random.Generator, **more: npt.NDArray[np.object_]
) -> pd.DataFrame:
    inside = where & (at > 0) & (at < WEEK * plant.weeks)
    days = at[inside]
    return pd.DataFrame(
        {
            "asset": _names(np.nonzero(inside)[0]),
            "event_time": _time(days),
            "known_time": _time(days + rng.exponential(1.0, len(days)) * plant.late),
        }
        | {name: values[inside] for name, values in more.items()}
    )


def _names(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    every = np.array([f"m{number}" for number in range(int(numbers.max(initial=0)) + 1)], dtype=object)
    return np.asarray(every[numbers])


def _time(days: Numbers) -> pd.DatetimeIndex:
    return SINCE + pd.to_timedelta(np.round(days * 86400e6).astype("int64"), unit="us")
