"""What the demonstration tells: the turns of the story, each with its figures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from models.monitoring.drift import FN, FP, odds_of
from models.outcomes.error_rates import ErrorRates
from models.retraining.comparison import HoldoutScore
from pipelines.demo.replay import DemoReplay, Swap
from pipelines.demo.story import Story
from pipelines.importers.batch import ImportResult
from pipelines.jobs.monitor import MonitorResult
from pipelines.jobs.retrain import POSTPONED, PROMOTED
from pipelines.jobs.train import TrainResult


@dataclass(frozen=True)
class Moment:
    """One line of the timeline.

    Parameters
    ----------
    at : pd.Timestamp
        When, in the fleet's time.
    what : str
        What happened, in a word or two.
    detail : str
        The figures.
    """

    at: pd.Timestamp
    what: str
    detail: str


@dataclass(frozen=True)
class Phase:
    """The error rates between two turns of the story.

    Parameters
    ----------
    name : str
        Which phase.
    rates : ErrorRates
        Of all predictions the endpoint made in it.
    """

    name: str
    rates: ErrorRates


def timeline(
    story: Story, recorded: ImportResult, trained: Sequence[TrainResult], seen: DemoReplay, phases: Sequence[Phase]
) -> tuple[Moment, ...]:
    """Tell the story in order of time.

    Parameters
    ----------
    story : Story
        What was played.
    recorded : ImportResult
        The history that the first champion learned from.
    trained : sequence of TrainResult
        What was trained on it, the champion first.
    seen : DemoReplay
        The months after going live.
    phases : sequence of Phase
        The rates between the turns.

    Returns
    -------
    tuple of Moment
        The timeline.
    """
    moments = list(_beginning(story, recorded, trained))
    moments.append(Moment(story.change, "process change", "two failure modes announce themselves by other channels"))
    moments += [Moment(phase.rates.end, f"FN rate {phase.name}", _missed(phase.rates)) for phase in phases]
    moments += [moment for swap in seen.swaps for moment in _swapped(swap)]
    moments.append(Moment(story.end, "end", _counted(seen)))
    return tuple(sorted(moments, key=lambda moment: moment.at))


def _beginning(story: Story, recorded: ImportResult, trained: Sequence[TrainResult]) -> Iterator[Moment]:
    rows = sum(table.rows for table in recorded.tables.values())
    refused = sum(table.quarantined for table in recorded.tables.values())
    yield Moment(story.live, "ingested", f"{rows:,} rows of {story.machines} machines, {refused:,} rows quarantined")
    for result in trained:
        figures = result.metrics
        caught, of, cost = figures["failures_caught"], figures["failures_total"], figures["expected_cost"]
        detail = f"{result.estimator}: {caught:.0f} of {of:.0f} failures caught, expected cost {_money(cost)}"
        yield Moment(story.live, f"champion v{result.version}" if result is trained[0] else "trained beside it", detail)


def _swapped(swap: Swap) -> Iterator[Moment]:
    look, result, asked = swap.look, swap.result, swap.traffic
    yield Moment(swap.at, "trigger", _decided(look))
    compared = result.comparison
    if result.decision == POSTPONED:
        yield Moment(swap.at, POSTPONED, " ".join(compared.reasons))
        return
    figures = "; ".join(_standing(side) for side in (compared.challenger, compared.champion) if side)
    promoted = result.decision == PROMOTED
    yield Moment(swap.at, f"{'champion' if promoted else 'rejected'} v{result.challenger_version}", figures)
    if promoted:
        counted = f"{asked.answered.total()} requests meanwhile, {asked.failed} failed, {asked.mixed} mixed"
        yield Moment(swap.at, "swapped", f"the endpoint answers with it after {swap.seconds:.1f} s; {counted}")


def _decided(look: MonitorResult) -> str:
    """Tell which test decided, and how strong its evidence is."""
    deciding = next(each for each in look.drift.evidence if each.rejected)
    what = {FN: "misses", FP: "false alarms"}[deciding.rate]
    seen = _missed(look.rates) if deciding.rate == FN else look.drift.reasons[-1]
    odds = f"{odds_of(deciding.log_e_values[-1])} to 1 ({odds_of(deciding.threshold)} to 1 decides)"
    return f"{seen}; promised {look.promise.missed.value:.0%}; evidence of {what}, {deciding.test}: {odds}"


def _standing(side: HoldoutScore) -> str:
    missed, false = side.missed, side.false_episodes
    return f"v{side.version} misses {missed.count} of {missed.of:.0f}, {false.count} false alarms, {_money(side.cost)}"


def _missed(rates: ErrorRates) -> str:
    missed = rates.missed
    interval = f"{rates.confidence:.0%} interval {missed.low:.0%} to {missed.high:.0%}"
    return f"{missed.count} of {missed.of:.0f} failures missed: {missed.value:.0%} ({interval})"


def _money(dollars: float) -> str:
    return f"${dollars / 1e6:.1f} M"


def _counted(seen: DemoReplay) -> str:
    return f"{seen.predictions:,} predictions, {seen.alerts:,} alerts, {seen.quarantined:,} rows quarantined"
