"""Rules by which crews choose each morning which machines to visit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from models.planning.worklist import Job, days_from, plan

# From when machines are named until mechanics come, on average; the simulator draws 4 to 24 hours.
LAG = pd.Timedelta(hours=14)


@dataclass(frozen=True)
class Crews:
    """What can be done in a day."""

    machines: int = 2
    hours: float = 16.0


@dataclass(frozen=True)
class Morning:
    """What a rule may know when it names machines."""

    at: pd.Timestamp
    probability: Mapping[str, float]  # by asset, of those that run and were not just visited
    alerts: frozenset[str]  # assets over the model's threshold
    alerting_since: Mapping[str, pd.Timestamp]
    jobs: Mapping[str, Job]  # by asset, what its repair costs and takes


Rule = Callable[[Morning, Crews], list[str]]


def first_come(morning: Morning, crews: Crews) -> list[str]:
    """Visit alerts in the order in which they came."""
    return _take_fitting(
        sorted(morning.alerts, key=lambda asset: (morning.alerting_since[asset], asset)), morning, crews
    )


def most_likely(morning: Morning, crews: Crews) -> list[str]:
    """Visit the alerts with the highest probability."""
    return _take_fitting(sorted(morning.alerts, key=lambda asset: (-morning.probability[asset], asset)), morning, crews)


def worklist(morning: Morning, crews: Crews) -> list[str]:
    """Visit the alerts that the worklist names for today, out of a plan for three days."""
    jobs = [morning.jobs[asset] for asset in sorted(morning.alerts)]
    days = days_from(morning.at + LAG, 3, machines=crews.machines, hours=crews.hours)
    return [line.asset for line in plan(jobs, days, start=morning.at).lines if line.day == 0]


RULES: Mapping[str, Rule] = {
    "worklist": worklist,
    "first come": first_come,
    "most likely": most_likely,
}


def _take_fitting(ranked: Sequence[str], morning: Morning, crews: Crews) -> list[str]:
    """Take assets in their order while there is a place and time; one that does not fit is skipped."""
    chosen: list[str] = []
    hours = crews.hours
    for asset in ranked:
        repair = morning.jobs[asset].repair_hours
        if len(chosen) < crews.machines and repair <= hours:
            chosen.append(asset)
            hours -= repair
    return chosen
