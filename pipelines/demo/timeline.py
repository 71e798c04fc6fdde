"""The demonstration's timeline: what happened when, with the figures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from models.monitoring.drift import FP, odds_of
from models.outcomes.error_rates import ErrorRates
from models.retraining.comparison import HoldoutScore
from models.retraining.retraining_policy import REFRESH
from pipelines.demo.replay import DemoReplay, Swap
from pipelines.demo.story import Story
from pipelines.importers.batch import ImportResult
from pipelines.jobs.monitor import MonitorResult
from pipelines.jobs.retrain import POSTPONED, PROMOTED
from pipelines.jobs.train import TrainResult


@dataclass(frozen=True)
class Moment:
    """One line of the timeline."""

    at: pd.Timestamp  # in the fleet's time
    what: str
    detail: str  # the figures


@dataclass(frozen=True)
class Phase:
    """The error rates between two turns of the story."""

    name: str
    rates: ErrorRates  # of all predictions the endpoint made in it


def timeline(
    story: Story, recorded: ImportResult, trained: Sequence[TrainResult], replay: DemoReplay, phases: Sequence[Phase]
) -> tuple[Moment, ...]:
    """Return what happened, in order of time; of the models trained on the recorded history the champion is first."""
    moments = list(_start_moments(story, recorded, trained))
    moments.append(Moment(story.change, "process change", "worn bearings now show in other channels"))
    moments += [Moment(phase.rates.end, f"FN rate {phase.name}", _missed(phase.rates)) for phase in phases]
    moments += [moment for swap in replay.swaps for moment in _swap_moments(swap)]
    moments.append(Moment(story.end, "end", _totals(replay)))
    return tuple(sorted(moments, key=lambda moment: moment.at))


def _start_moments(story: Story, recorded: ImportResult, trained: Sequence[TrainResult]) -> Iterator[Moment]:
    rows = sum(table.rows for table in recorded.tables.values())
    quarantined = sum(table.quarantined for table in recorded.tables.values())
    yield Moment(
        story.live, "ingested", f"{rows:,} rows of {story.machines} machines, {quarantined:,} rows quarantined"
    )
    for result in trained:
        figures = result.metrics
        caught, of, cost = figures["failures_caught"], figures["failures_total"], figures["expected_cost"]
        detail = f"{result.estimator}: {caught:.0f} of {of:.0f} failures caught, expected cost {_money(cost)}"
        yield Moment(story.live, f"champion v{result.version}" if result is trained[0] else "also trained", detail)


def _swap_moments(swap: Swap) -> Iterator[Moment]:
    result, comparison, requests = swap.result, swap.result.comparison, swap.traffic
    decision = swap.look.retraining
    if decision.trigger == REFRESH:
        yield Moment(swap.at, "follow-up", decision.reasons[-1])
    else:
        yield Moment(swap.at, "drift detected", _evidence(swap.look))
    if result.decision == POSTPONED:
        yield Moment(swap.at, POSTPONED, " ".join(comparison.reasons))
        return
    figures = "; ".join(_score(side) for side in (comparison.challenger, comparison.champion) if side)
    promoted = result.decision == PROMOTED
    yield Moment(swap.at, f"{'champion' if promoted else 'rejected'} v{result.challenger_version}", figures)
    if promoted:
        counts = f"{requests.answered.total()} requests meanwhile, {requests.failed} failed"
        served = f"the endpoint serves it after {swap.seconds:.1f} s; {counts}, {requests.mixed} mixed versions"
        yield Moment(swap.at, "swapped", served)


def _evidence(look: MonitorResult) -> str:
    """Return which test decided, and how strong its evidence is."""
    deciding = next(each for each in look.drift.evidence if each.rejected)
    odds = f"{odds_of(deciding.log_e_values[-1])} to 1 (threshold {odds_of(deciding.threshold)} to 1)"
    if deciding.rate == FP:
        return f"{look.drift.reasons[-1]} Evidence of more false alarms ({deciding.test}): {odds}"
    # What the test counts, as the report and `forewarn why` say it.
    missed, failures = (sum(getattr(each, name) for each in look.drift.looks) for name in ("missed", "failures"))
    observed = f"{missed} of {failures} failures missed: {missed / failures:.0%}"
    promised = f"up to {deciding.promised:.0%} keeps the promise"
    return f"{observed}; {promised}; evidence of more missed failures ({deciding.test}): {odds}"


def _score(side: HoldoutScore) -> str:
    missed, false = side.missed, side.false_episodes
    return f"v{side.version} misses {missed.count} of {missed.of:.0f}, {false.count} false alarms, {_money(side.cost)}"


def _missed(rates: ErrorRates) -> str:
    missed = rates.missed
    interval = f"{rates.confidence:.0%} interval {missed.low:.0%} to {missed.high:.0%}"
    return f"{missed.count} of {missed.of:.0f} failures missed: {missed.value:.0%} ({interval})"


def _money(dollars: float) -> str:
    return f"${dollars / 1e6:.1f} M"


def _totals(replay: DemoReplay) -> str:
    return f"{replay.predictions:,} predictions, {replay.alerts:,} alerts, {replay.quarantined:,} rows quarantined"
