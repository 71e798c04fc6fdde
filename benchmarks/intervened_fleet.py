"""A fleet whose mechanics act on alarms, so that what would have failed does not, and what error rates make of it.

Each asset lives through slots of ten days. In a slot nothing happens, or a defect begins that would make it fail, or a
false alarm is raised; one slot never reaches into the next, so the true rates are those the fleet was made with. Assets
differ in all three.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from models.labels.labels import reporting_delay
from models.outcomes.error_rates import MONTH, error_rates
from models.outcomes.outcomes import Outcomes, Terms, outcomes

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2026-01-01", tz="UTC")
SLOT = 10
ALERT, WORK, FAILURE = 2, 3, 5.5
"""The days of a slot at which an alert is raised, mechanics come, and a defect makes the asset fail."""


@dataclass(frozen=True)
class Plant:
    """What the fleet is like.

    Parameters
    ----------
    assets, slots
        Of each history.
    defect, false_alarm
        Chance of each in a slot.
    missed
        Chance that a defect raises no alert.
    acted
        Chance that mechanics act on an alarm; if there is a defect, they then prevent the failure.
    unreported_share
        Chance that they do not say what they found.
    late
        How long reports of failures and work take.
    """

    assets: int = 40
    slots: int = 20
    defect: float = 0.15
    false_alarm: float = 0.04
    missed: float = 0.2
    acted: float = 0.8
    unreported_share: float = 0.0
    late: pd.Timedelta = 0 * DAY

    @property
    def false_a_month(self) -> float:
        """Return the true rate of false episodes per asset-month."""
        return self.false_alarm * (MONTH / (SLOT * DAY))


def judged_histories(plant: Plant, histories: int, *, seed: int) -> pd.DataFrame:
    """Simulate histories and count the error rates of each, ours and the naive ones.

    Parameters
    ----------
    plant
        What the fleet is like.
    histories
        How many, independent of each other.
    seed
        Of the random numbers.

    Returns
    -------
    pd.DataFrame
        A row a history. For missed and false: the rate, its low and high, and bound_low and bound_high; and naive_*,
        which takes an alarm for false when no failure followed, and a prevented failure for none.
    """
    known, reported, history = _simulate(plant, histories, np.random.default_rng(seed))
    frames = {name: getattr(known, name) for name in ("decisions", "episodes", "failures")} | {"reported": reported}
    parts = {name: dict(iter(frame.groupby(frame["asset"].map(history)))) for name, frame in frames.items()}
    rows = []
    for number in range(histories):
        own = {name: by.get(number, frames[name].iloc[:0]) for name, by in parts.items()}
        failures = own.pop("reported")
        one = replace(known, **own)
        rates = error_rates(one)
        found = {}
        for name, rate in (("missed", rates.missed), ("false", rates.false_episodes)):
            assert rate.bounds is not None
            ends = {"low": rate.low, "high": rate.high, "bound_low": rate.bounds.low, "bound_high": rate.bounds.high}
            found |= {name: rate.value} | {f"{name}_{end}": value for end, value in ends.items()}
        rows.append(found | _naive(one, failures))
    return pd.DataFrame(rows)


def _simulate(plant: Plant, histories: int, rng: np.random.Generator) -> tuple[Outcomes, pd.DataFrame, dict[str, int]]:
    assets = histories * plant.assets
    chances = (plant.defect, plant.false_alarm, plant.missed)
    defect, false, missed = (rng.beta(6 * mean, 6 * (1 - mean), (assets, 1)) for mean in chances)
    drawn = rng.random((assets, plant.slots))
    broken = drawn < defect
    spurious = ~broken & (rng.random(drawn.shape) < false / (1 - defect))
    alarmed = spurious | (broken & (rng.random(drawn.shape) >= missed))
    acted = alarmed & (rng.random(drawn.shape) < plant.acted)
    names = np.array([f"m{number}" for number in range(assets)], dtype=object)
    days = np.arange(0, SLOT, 2)
    asset, slot, day = (index.ravel() for index in np.indices((assets, plant.slots, len(days))))
    alert = alarmed[asset, slot] & (days[day] == ALERT)
    told = pd.DataFrame({"asset": names[asset], "as_of": _time(slot, days[day]), "alert": alert})
    failed = _events(names, broken & ~acted, FAILURE, plant, "failure_id").assign(mode="bearing")
    work = _events(names, acted, WORK, plant, "work_order_id").assign(kind="inspection", prompted_by="alarm")
    found = np.where(broken, "defect_confirmed", "no_fault_found").astype(object)
    found[rng.random(drawn.shape) < plant.unreported_share] = None
    work["finding"] = found[acted]
    # Of each slot all or nothing has matured: a prevented failure matures sooner than it would have come.
    now = START + (plant.slots * SLOT + 3) * DAY
    waits = reporting_delay(failed, known_until=now) if len(failed) else plant.late
    terms = Terms(lead=0 * DAY, horizon=5 * DAY, gap=2 * DAY, reporting_delay=waits)
    history = {name: number // plant.assets for number, name in enumerate(names)}
    return outcomes(told, failed, work, now=now, terms=terms), failed[failed["known_time"] <= now], history


def _events(names: np.ndarray, where: np.ndarray, day: float, plant: Plant, key: str) -> pd.DataFrame:
    asset, slot = np.nonzero(where)
    at = _time(slot, np.full(len(slot), day))
    return pd.DataFrame(
        {key: np.arange(len(slot)).astype(str), "asset": names[asset], "event_time": at, "known_time": at + plant.late}
    )


def _time(slot: np.ndarray, day: np.ndarray) -> pd.DatetimeIndex:
    return (START + pd.to_timedelta(slot * SLOT + day, unit="D")).as_unit("us")


def _naive(known: Outcomes, failures: pd.DataFrame) -> dict[str, float]:
    """Count as everyone does: whatever no failure is known to have followed once the horizon has closed is false."""
    until = known.now - known.terms.claim
    episodes = known.episodes[known.episodes["opened"] <= until]
    happened = failures[failures["event_time"] <= until]
    alarmed = _followed(episodes, failures, known.terms)
    caught = int(alarmed.sum())
    months = known.decisions.loc[known.decisions["as_of"] <= until, "covered"].sum() / MONTH
    return {
        "naive_false": int((~alarmed).sum()) / months,
        "naive_missed": 1 - caught / len(happened) if len(happened) else float("nan"),
    }


def _followed(episodes: pd.DataFrame, failures: pd.DataFrame, terms: Terms) -> np.ndarray:
    pairs = episodes[["asset", "opened"]].reset_index(names="row").merge(failures[["asset", "event_time"]], on="asset")
    within = (pairs["event_time"] > pairs["opened"]) & (pairs["event_time"] <= pairs["opened"] + terms.claim)
    return np.asarray(episodes.index.isin(pairs.loc[within, "row"]))
