"""The simulated fleet under crews that can see to few machines a day, and what it costs by whose list they go.

Every rule gets its own copy of one fleet: the same machines, wear and chances, and the same trained model, which reads
what that copy's sensors tell. Two copies differ in nothing but what was done and what follows from it. Each morning the
model scores all machines and the rule names those to see to; the simulator's mechanics come some hours later, find the
defect if it has begun and shows (now and then they overlook it, or do not look), and replace that component. So a visit
prevents a failure only of the component that was wearing out; a visit in vain costs the same, and a machine seen to is
left alone for two days.

What is charged is what happened: every visit that took place, and every failure with the hours that it really stood.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data_contracts.tables.history import FRAMES, History
from models.artifact.artifact import Artifact
from models.artifact.scoring import score_in_detail
from models.experiment.experiment import load_experiment
from models.planning.worklist import Costs, Job, Risk, days_from, plan
from models.training.training import train
from pipelines.fleet.channels import CHANNELS
from pipelines.fleet.machines import ASSET_TYPE
from pipelines.fleet.simulation import Fleet
from pipelines.importers.batch import Batch

DAY, HOUR = pd.Timedelta(days=1), pd.Timedelta(hours=1)
START = pd.Timestamp("2025-01-01T06:00Z").as_unit("us")
EXPERIMENT = Path(__file__).parents[1] / "pipelines" / "experiments" / "fleet.toml"
LEARNED = 120
"""Days of the fleet that the model learns from, which is another one."""
HORIZONS = ["24h", "48h", "72h"]
"""That the model tells; it alerts by the last."""
BEFORE = 45
"""Days that a fleet has run before anyone plans."""
LAG = 14 * HOUR
"""From when machines are named to when mechanics come, on average; the simulator draws 4 to 24 hours."""
REST = 2 * DAY
"""For which a machine that was seen to is left alone."""
UNPLANNED_HOURS = 15.0
"""That a failed machine stands on average."""
REPAIR_HOURS = (2.0, 4.0, 6.0, 8.0, 12.0)
DOWNTIME = (2_000.0, 50_000.0)
"""Dollars that an hour of a machine's downtime costs: from a machine with a twin beside it to a line's bottleneck."""
PLANNED_SHARE = 0.2
"""Of that, what an hour costs that was planned: work is moved, customers are told."""
VISIT = 2_000.0
"""Dollars for the mechanics and their parts."""
LATEST_REPORT = 5 * DAY

Ids = Sequence[str]


@dataclass(frozen=True)
class Crews:
    """What can be done in a day."""

    machines: int = 2
    hours: float = 16.0


@dataclass(frozen=True)
class Morning:
    """What a rule may know when it names machines.

    Parameters
    ----------
    at
        The time.
    probability
        By asset, of the machines that run and were not just seen to.
    alerts
        Those over the model's threshold.
    alerting_since
        When each of them began to be.
    jobs
        What each machine costs, and takes.
    """

    at: pd.Timestamp
    probability: Mapping[str, float]
    alerts: frozenset[str]
    alerting_since: Mapping[str, pd.Timestamp]
    jobs: Mapping[str, Job]


Rule = Callable[[Morning, Crews], list[str]]


@dataclass(frozen=True)
class Bill:
    """What a season cost.

    Parameters
    ----------
    failures, visits, in_vain
        How many; visits in vain found nothing, or nobody looked.
    failed, visited
        Dollars for failures and for visits.
    """

    failures: int
    visits: int
    in_vain: int
    failed: float
    visited: float

    @property
    def total(self) -> float:
        """Return the dollars for both."""
        return self.failed + self.visited


def first_come(morning: Morning, crews: Crews) -> list[str]:
    """See to alerts in the order in which they came, as long as they stand."""
    return _fitting(sorted(morning.alerts, key=lambda asset: (morning.alerting_since[asset], asset)), morning, crews)


def most_likely(morning: Morning, crews: Crews) -> list[str]:
    """See to the alerts with the highest probability."""
    return _fitting(sorted(morning.alerts, key=lambda asset: (-morning.probability[asset], asset)), morning, crews)


def worklist(morning: Morning, crews: Crews) -> list[str]:
    """See to the alerts that the worklist names for today, out of a plan for three days."""
    jobs = [morning.jobs[asset] for asset in sorted(morning.alerts)]
    days = days_from(morning.at + LAG, 3, machines=crews.machines, hours=crews.hours)
    return [line.asset for line in plan(jobs, days, start=morning.at).lines if line.day == 0]


RULES: Mapping[str, Rule] = {
    "worklist": worklist,
    "first come": first_come,
    "most likely": most_likely,
}


@dataclass
class _Known:
    """What has become known of a fleet."""

    frames: dict[str, pd.DataFrame] = field(default_factory=dict)

    def add(self, batch: Batch, keep: pd.Timestamp) -> None:
        for name in FRAMES:
            rows = getattr(batch, name)
            if name in self.frames:
                rows = pd.concat([self.frames[name], rows], ignore_index=True)
            # Telemetry is looked back upon for a day; all else stays.
            self.frames[name] = rows[rows["event_time"] > keep] if name == "telemetry" else rows

    def history(self) -> History:
        return History(ASSET_TYPE, tuple(CHANNELS), **self.frames)


@dataclass(frozen=True)
class Plant:
    """A fleet in service, with what its machines cost.

    Parameters
    ----------
    fleet
        Advanced to the first morning.
    known
        What is known by then.
    costs, repair_hours
        By asset.
    """

    fleet: Fleet
    known: _Known
    costs: Mapping[str, Costs]
    repair_hours: Mapping[str, float]


def trained(machines: int = 60, days: int = LEARNED, *more: str) -> Artifact:
    """Train the model on a fleet of its own, with errors as dear as they are here on average.

    Parameters
    ----------
    machines, days
        Of that fleet.
    more
        What else the experiment is to be changed by.
    """
    fleet = Fleet(7, machines, start=START)
    batch = fleet.advance(START + days * DAY)
    history = History(ASSET_TYPE, tuple(CHANNELS), **{name: getattr(batch, name) for name in FRAMES})
    hour = float(np.exp(np.mean(np.log(DOWNTIME))))
    missed = hour * UNPLANNED_HOURS
    vain = VISIT + PLANNED_SHARE * hour * float(np.mean(REPAIR_HOURS))
    overrides = [f"costs.missed_failure={missed}", f"costs.false_alarm={vain}", f"label.horizons={HORIZONS}"]
    return train(load_experiment(EXPERIMENT, [*overrides, *more]), history).artifact


def plant(seed: int, machines: int) -> Plant:
    """Let a fleet run for a while, and draw what its machines cost.

    Parameters
    ----------
    seed
        Of the fleet and of the costs.
    machines
        How many.
    """
    fleet, known = Fleet(seed, machines, start=START), _Known()
    begins = START + BEFORE * DAY
    known.add(fleet.advance(begins), begins - 2 * DAY)
    rng = np.random.default_rng((seed, 1))
    dollars = np.exp(rng.uniform(*np.log(DOWNTIME), machines))
    took = rng.choice(REPAIR_HOURS, machines)
    assets = fleet.machines.assets
    costs = {
        asset: Costs(
            planned=VISIT,
            failure=0.0,
            downtime_per_hour=float(hour),
            unplanned_hours=UNPLANNED_HOURS,
            planned_downtime_per_hour=PLANNED_SHARE * float(hour),
        )
        for asset, hour in zip(assets, dollars, strict=True)
    }
    return Plant(fleet, known, costs, dict(zip(assets, took.tolist(), strict=True)))


def season(of: Plant, rule: Rule, crews: Crews, days: int, artifact: Artifact) -> Bill:
    """Let crews go by a rule for some days, and charge what happened.

    Parameters
    ----------
    of
        The plant; it is left as it was.
    rule
        Names the machines of each day.
    crews
        What they can do.
    days
        How many.
    artifact
        The model.
    """
    fleet, known = deepcopy(of.fleet), deepcopy(of.known)
    begins, rested, since = fleet.now, dict[str, pd.Timestamp](), dict[str, pd.Timestamp]()
    for _ in range(days):
        now = fleet.now
        morning = _look(artifact, of, known.history(), now, rested, since)
        named = rule(morning, crews)
        _refuse_too_many(named, morning, crews)
        rested.update(dict.fromkeys(named, now))
        known.add(fleet.advance(now + DAY, [(asset, now) for asset in named]), now - 2 * DAY)
    ends = fleet.now
    known.add(fleet.advance(ends + LATEST_REPORT), ends)
    return _charge(of, known, begins, ends)


def _look(
    artifact: Artifact,
    of: Plant,
    history: History,
    now: pd.Timestamp,
    rested: Mapping[str, pd.Timestamp],
    since: dict[str, pd.Timestamp],
) -> Morning:
    """Score the machines that run, and note since when they have alerted."""
    heard = history.telemetry.loc[history.telemetry["event_time"] > now - 6 * HOUR, "asset"].unique()
    running = sorted(asset for asset in heard if now - rested.get(asset, now - 10 * REST) >= REST)
    told = score_in_detail(artifact, history, pd.DataFrame({"asset": running, "as_of": now}))
    known = told.frame["reason"].isna().to_numpy()
    scored = told.frame[known].set_index("asset")
    alerts = frozenset(scored.index[scored["alert"]])
    for asset in set(since) - alerts:
        del since[asset]
    since.update(dict.fromkeys(alerts - set(since), now))
    hours = tuple(horizon / HOUR for horizon in artifact.horizons)
    # A machine that was mended is taken to be like the one in the middle of the fleet.
    rate = float(np.median(told.probabilities[known][:, -1])) / hours[-1]
    jobs = {
        asset: Job(asset, Risk(now, hours, tuple(chances)), of.costs[asset], of.repair_hours[asset], rate)
        for asset, chances in zip(scored.index, told.probabilities[known].tolist(), strict=True)
    }
    return Morning(now, scored["probability"].to_dict(), alerts, dict(since), jobs)


def _hours(morning: Morning, asset: str) -> float:
    return morning.jobs[asset].repair_hours


def _fitting(ranked: Ids, morning: Morning, crews: Crews) -> list[str]:
    """Take them in their order as long as there is a place and time; who does not fit lets the next go first."""
    taken: list[str] = []
    hours = crews.hours
    for asset in ranked:
        if len(taken) < crews.machines and _hours(morning, asset) <= hours:
            taken.append(asset)
            hours -= _hours(morning, asset)
    return taken


def _refuse_too_many(named: Ids, morning: Morning, crews: Crews) -> None:
    hours = sum(_hours(morning, asset) for asset in named)
    assert len(set(named)) == len(named) <= crews.machines, named
    assert hours <= crews.hours, named


def _charge(of: Plant, known: _Known, begins: pd.Timestamp, ends: pd.Timestamp) -> Bill:
    orders = known.frames["work_orders"].sort_values("known_time").drop_duplicates("work_order_id", keep="last")
    inside = (orders["event_time"] >= begins) & (orders["event_time"] < ends + DAY)
    visits = orders[inside & (orders["kind"] == "inspection")]
    failures = known.frames["failures"]
    failures = failures[(failures["event_time"] > begins) & (failures["event_time"] <= ends)]
    mended = orders[orders["kind"] == "corrective"].sort_values("event_time")
    stood = pd.merge_asof(
        failures.sort_values("event_time"),
        mended[["asset", "event_time"]].assign(mended=mended["event_time"]),
        on="event_time",
        by="asset",
        direction="forward",
    )
    hours = (stood["mended"] - stood["event_time"]) / HOUR
    assert hours.notna().all(), "a failure that was never mended"
    dear = stood["asset"].map(lambda asset: of.costs[asset].downtime_per_hour)
    visited = sum(of.costs[asset].of_repair(of.repair_hours[asset]) for asset in visits["asset"])
    return Bill(
        failures=len(failures),
        visits=len(visits),
        in_vain=int((visits["finding"] != "defect_confirmed").sum()),
        failed=float((hours * dear).sum()),
        visited=float(visited),
    )
