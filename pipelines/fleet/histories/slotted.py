"""Histories in slots of ten days, and what error rates make of them when mechanics prevent most alarmed failures.

In a slot nothing happens, or a defect begins that would make the asset fail, or a false alarm is raised; one slot never
reaches into the next, so the true rates are the plant's. Assets differ in all three.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from models.outcomes.error_rates import MONTH, Rate, error_rates
from models.outcomes.finding_errors import FindingQuality
from models.outcomes.outcomes import Outcomes, Terms
from pipelines.fleet.histories.held_back import draw_histories
from pipelines.fleet.histories.recorded import (
    DAY,
    RecordedHistories,
    asset_names,
    draw_findings,
    event_rows,
    history_of,
    inspections,
    times,
)
from pipelines.fleet.plant.arrays import Flags

START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
SLOT = 10  # days
HORIZON = 5 * DAY
# Days of a slot at which an alert is raised, mechanics come, and a defect makes the asset fail.
ALERT, WORK, FAILURE = 2, 3.0, 5.5


@dataclass(frozen=True)
class SlottedPlant:
    """What the plant is like; the first five rates are mean probabilities."""

    assets: int = 40  # of each history
    slots: int = 20
    defect: float = 0.15  # in a slot
    false_alarm: float = 0.04  # in a slot
    missed: float = 0.2  # a defect raises no alert
    acted: float = 0.8  # mechanics act on an alarm, and prevent the failure if there is a defect
    unreported_share: float = 0.0  # mechanics do not report their finding
    sensitivity: float = 1.0  # of findings: a defect is reported as one; else it is repaired as "no fault found"
    specificity: float = 1.0  # a sound asset is reported as sound
    late: pd.Timedelta = 0 * DAY  # delay of reports of failures and work
    hold_back: float = 0.0  # share of the alarms that are held back at random

    @property
    def false_per_month(self) -> float:
        """Return the true rate of false episodes per asset-month."""
        return self.false_alarm * (MONTH / (SLOT * DAY))

    @property
    def end(self) -> pd.Timestamp:
        """Return when the histories are looked at.

        Of each slot all or nothing has matured then: a prevented failure matures sooner than it would have come.
        """
        return START + (self.slots * SLOT + 3) * DAY


def estimated_rates(
    plant: SlottedPlant, histories: int, *, seed: int, findings: FindingQuality | None = None
) -> pd.DataFrame:
    """Simulate histories and estimate the error rates of each, with forewarn's estimator and the naive one.

    The result has a row for each history. For missed and false: the rate, its low and high, and bound_low and
    bound_high; and naive_*, which takes an alarm for false when no failure followed, and a prevented failure for none.
    """
    recorded = simulate(plant, histories, np.random.default_rng(seed))
    together = recorded.outcomes(plant.end, HORIZON)
    known_failures = recorded.failures[recorded.failures["known_time"] <= plant.end]
    frames = {name: getattr(together, name) for name in ("decisions", "episodes", "failures")}
    frames["known_failures"] = known_failures
    by_history = {
        name: dict(iter(frame.groupby(history_of(frame["asset"], plant.assets)))) for name, frame in frames.items()
    }
    rows = []
    for history in range(histories):
        own = {name: groups.get(history, frames[name].iloc[:0]) for name, groups in by_history.items()}
        failures = own.pop("known_failures")
        outcomes = replace(together, **own)
        rates = error_rates(outcomes, findings=findings)
        estimates = _with_ends("missed", rates.missed) | _with_ends("false", rates.false_episodes)
        rows.append(estimates | _naive_rates(outcomes, failures))
    return pd.DataFrame(rows)


def simulate(plant: SlottedPlant, histories: int, rng: np.random.Generator) -> RecordedHistories:
    """Draw what is recorded of independent histories."""
    assets = histories * plant.assets
    means = (plant.defect, plant.false_alarm, plant.missed)
    defect, false, missed = (rng.beta(6 * mean, 6 * (1 - mean), (assets, 1)) for mean in means)
    draws = rng.random((assets, plant.slots))
    broken = draws < defect
    spurious = ~broken & (rng.random(draws.shape) < false / (1 - defect))
    alarmed = spurious | (broken & (rng.random(draws.shape) >= missed))
    held_back, drawn = np.zeros_like(alarmed), None
    if plant.hold_back:
        alerted = SLOT * np.arange(plant.slots) + float(ALERT)
        seed = int(rng.integers(2**31))
        held_back, drawn = draw_histories(
            alarmed, alerted, start=START, claim=HORIZON, share=plant.hold_back, seed=seed
        )
    acted = alarmed & (rng.random(draws.shape) < plant.acted) & ~held_back
    right = rng.random(draws.shape) < np.where(broken, plant.sensitivity, plant.specificity)
    truth = np.where(broken == right, "defect_confirmed", "no_fault_found").astype(object)
    findings = draw_findings(truth, rng, not_inspected=0.0, unreported=plant.unreported_share)
    failures = _slot_events(broken & ~acted, FAILURE, plant)
    work = _slot_events(acted, WORK, plant).assign(finding=findings[acted])
    return RecordedHistories(
        _predictions(alarmed),
        failures.assign(failure_id=failures.index.astype(str), mode="bearing"),
        inspections(work),
        plant.assets,
        drawn,
    )


def _predictions(alarmed: Flags) -> pd.DataFrame:
    days = np.arange(0, SLOT, 2)
    asset, slot, place = (index.ravel() for index in np.indices((*alarmed.shape, len(days))))
    alert = alarmed[asset, slot] & (days[place] == ALERT)
    return pd.DataFrame({"asset": asset_names(asset), "as_of": times(START, slot * SLOT + days[place]), "alert": alert})


def _slot_events(where: Flags, day: float, plant: SlottedPlant) -> pd.DataFrame:
    asset, slot = np.nonzero(where)
    return event_rows(START, asset, slot * SLOT + day, np.full(len(slot), plant.late / DAY))


def _with_ends(name: str, rate: Rate) -> dict[str, float]:
    ends = {"": rate.value, "_low": rate.low, "_high": rate.high}
    if rate.bounds is not None:
        ends |= {"_bound_low": rate.bounds.low, "_bound_high": rate.bounds.high}
    return {f"{name}{end}": value for end, value in ends.items()}


def _naive_rates(outcomes: Outcomes, failures: pd.DataFrame) -> dict[str, float]:
    """Count as false every alarm after which no failure is known by the close of its horizon."""
    until = outcomes.now - outcomes.terms.claim
    episodes = outcomes.episodes[outcomes.episodes["opened"] <= until]
    failed = failures[failures["event_time"] <= until]
    followed = _followed_by_failure(episodes, failures, outcomes.terms)
    caught = int(followed.sum())
    months = pd.Timedelta(outcomes.decisions.loc[outcomes.decisions["as_of"] <= until, "covered"].sum()) / MONTH
    return {
        "naive_false": int((~followed).sum()) / months,
        "naive_missed": 1 - caught / len(failed) if len(failed) else float("nan"),
    }


def _followed_by_failure(episodes: pd.DataFrame, failures: pd.DataFrame, terms: Terms) -> Flags:
    pairs = episodes[["asset", "opened"]].reset_index(names="row").merge(failures[["asset", "event_time"]], on="asset")
    within = (pairs["event_time"] > pairs["opened"]) & (pairs["event_time"] <= pairs["opened"] + terms.claim)
    return np.asarray(episodes.index.isin(pairs.loc[within, "row"]))
