"""A season of maintenance with limited crews, and what it costs by the rule they follow.

Every rule gets its own copy of one fleet: the same machines, wear and random numbers, and the same trained model, which
reads what that copy's sensors send. Two copies differ in nothing but what was done and what follows from it. Each
morning the model scores all machines and the rule names those to visit; the simulator's mechanics come some hours
later, find the defect if it has begun and shows (now and then they overlook it, or do not look), and replace that
component. So a visit prevents a failure only of the component that was wearing out; a visit in vain costs the same, and
a machine that was visited is left alone for two days.

The costs are of what happened: every visit that took place, and every failure with the hours that it really stood.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from models.artifact.artifact import Artifact
from models.artifact.scoring import score_in_detail
from models.planning.worklist import Job, Risk
from pipelines.fleet.seasons.priced_fleet import KnownRecords, PricedFleet
from pipelines.fleet.seasons.rules import Crews, Morning, Rule

DAY, HOUR = pd.Timedelta(days=1), pd.Timedelta(hours=1)
REST = 2 * DAY  # a machine that was visited is left alone
SILENT = 6 * HOUR  # a machine without newer telemetry stands
LATEST_REPORT = 5 * DAY


@dataclass(frozen=True)
class SeasonCost:
    """What a season cost."""

    failures: int
    visits: int
    in_vain: int  # visits that found nothing, or where nobody looked
    failed: float  # dollars for failures
    visited: float  # dollars for visits

    @property
    def total(self) -> float:
        """Return the dollars for both."""
        return self.failed + self.visited


def run_season(priced: PricedFleet, rule: Rule, crews: Crews, days: int, artifact: Artifact) -> SeasonCost:
    """Let crews follow a rule for some days on a copy of the fleet, and sum up what it costs."""
    fleet, records = deepcopy(priced.fleet), deepcopy(priced.records)
    begins, visited_at, alerting_since = fleet.now, dict[str, pd.Timestamp](), dict[str, pd.Timestamp]()
    for _ in range(days):
        now = fleet.now
        morning = _observe(artifact, priced, records.history(), now, visited_at, alerting_since)
        assets = rule(morning, crews)
        _check_capacity(assets, morning, crews)
        visited_at.update(dict.fromkeys(assets, now))
        records.add(fleet.advance(now + DAY, [(asset, now) for asset in assets]), now)
    ends = fleet.now
    records.add(fleet.advance(ends + LATEST_REPORT), ends)
    return _sum_costs(priced, records, begins, ends)


def _observe(
    artifact: Artifact,
    priced: PricedFleet,
    history: History,
    now: pd.Timestamp,
    visited_at: Mapping[str, pd.Timestamp],
    alerting_since: dict[str, pd.Timestamp],
) -> Morning:
    """Score the machines that run, and update since when they have alerted."""
    sending = history.telemetry.loc[history.telemetry["event_time"] > now - SILENT, "asset"].unique()
    rested = sorted(asset for asset in sending if asset not in visited_at or now - visited_at[asset] >= REST)
    scores = score_in_detail(artifact, history, pd.DataFrame({"asset": rested, "as_of": now}))
    scored = scores.frame["reason"].isna().to_numpy()
    frame = scores.frame[scored].set_index("asset")
    alerts = frozenset(frame.index[frame["alert"]])
    for asset in set(alerting_since) - alerts:
        del alerting_since[asset]
    alerting_since.update(dict.fromkeys(alerts - set(alerting_since), now))
    hours = tuple(horizon / HOUR for horizon in artifact.horizons)
    probabilities = scores.probabilities[scored]
    # A machine that was repaired is taken to be like the one in the middle of the fleet.
    rate = float(np.median(probabilities[:, -1])) / hours[-1]
    jobs = {
        asset: Job(asset, Risk(now, hours, tuple(by_horizon)), priced.costs[asset], priced.repair_hours[asset], rate)
        for asset, by_horizon in zip(frame.index, probabilities.tolist(), strict=True)
    }
    probability = dict(zip(frame.index.tolist(), frame["probability"].tolist(), strict=True))
    return Morning(now, probability, alerts, dict(alerting_since), jobs)


def _check_capacity(assets: Sequence[str], morning: Morning, crews: Crews) -> None:
    hours = sum(morning.jobs[asset].repair_hours for asset in assets)
    if not len(set(assets)) == len(assets) <= crews.machines or hours > crews.hours:
        raise UsageError(
            f"the rule names {', '.join(assets)} for {hours:g} hours of work",
            f"at most {crews.machines} different machines and {crews.hours:g} hours a day",
            "Fix the rule",
        )


def _sum_costs(priced: PricedFleet, records: KnownRecords, begins: pd.Timestamp, ends: pd.Timestamp) -> SeasonCost:
    orders = records.frames["work_orders"].sort_values("known_time").drop_duplicates("work_order_id", keep="last")
    inside = (orders["event_time"] >= begins) & (orders["event_time"] < ends + DAY)
    visits = orders[inside & (orders["kind"] == "inspection")]
    failures = records.frames["failures"]
    failures = failures[(failures["event_time"] > begins) & (failures["event_time"] <= ends)]
    repairs = orders[orders["kind"] == "corrective"].sort_values("event_time")
    stood = pd.merge_asof(
        failures.sort_values("event_time"),
        repairs[["asset", "event_time"]].assign(repaired=repairs["event_time"]),
        on="event_time",
        by="asset",
        direction="forward",
    )
    hours = pd.to_timedelta(stood["repaired"] - stood["event_time"]) / HOUR
    per_hour = stood["asset"].map(lambda asset: priced.costs[asset].downtime_per_hour)
    visited = sum(priced.costs[asset].of_repair(priced.repair_hours[asset]) for asset in visits["asset"])
    return SeasonCost(
        failures=len(failures),
        visits=len(visits),
        in_vain=int((visits["finding"] != "defect_confirmed").sum()),
        # A failure that was never repaired would make the sum NaN.
        failed=float((hours * per_hour).sum(skipna=False)),
        visited=float(visited),
    )
