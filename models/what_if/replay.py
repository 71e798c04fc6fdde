"""An alternative replayed on recorded history: what it would have met, asset by asset.

The loop is open: the history stays as it was recorded, and a visit of the replay changes nothing but the one failure
that it prevents, if that was less than `detectable` away. What follows from a repair, such as the life of the new part,
is taken to be as recorded. Defects that were repaired in the record have no counterfactual: an alternative whose crews
come no later prevents them too; for any other it is open whether they would have become failures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from models.backtesting.outcome_sources import OutcomeSources
from models.outcomes.outcomes import Terms, in_claim_window
from models.what_if.alternatives import Alternative
from models.what_if.event_costs import (
    FAILURES,
    FALSE_ALARMS,
    IN_VAIN,
    MISSED,
    MODELLED,
    OPEN,
    PREVENTED,
    SHORT,
    UNKNOWN,
    VISITS,
    EventCosts,
    no_counts,
)
from models.what_if.potential_failures import potential_failures, probability_before, unclear_visits
from models.what_if.shortages import short_assets
from models.what_if.visits import Crews, Span, plan_visits

_MICRO = pd.Timedelta(1, "us")


@dataclass(frozen=True)
class ScoredModel:
    """A model's probabilities at all cut-offs of the replay."""

    name: str  # for people
    version: int | None  # None where it is not registered
    threshold: float  # its own
    horizon: pd.Timedelta  # its own
    columns: Mapping[pd.Timedelta, str]  # of the probability of failing within each horizon
    scores: pd.DataFrame = field(repr=False)  # asset, as_of and those columns


@dataclass(frozen=True)
class ReplayTerms:
    """What is the same for every alternative."""

    span: Span  # what happens in (since, until] counts
    response: pd.Timedelta  # from an alarm to its visit at the earliest
    detectable: pd.Timedelta  # how long before a failure an inspection finds its defect
    part_lead: pd.Timedelta  # from an order to its arrival


@dataclass(frozen=True)
class Replay:
    """What an alternative would have met."""

    alternative: Alternative
    model: str  # the name of the one that raised the alarms
    counts: pd.DataFrame  # `COUNTS`; one row an asset, or a simulated fleet
    fixed_cost: float = 0.0  # beside the counts
    parts_needed: int = 0  # of those whose stock is counted
    # Of the defects that were repaired in the record and that it would not have: the probability that each had failed.
    open_defects: "pd.Series[float]" = field(default_factory=lambda: pd.Series(dtype=np.float64))
    unknown_visits: frozenset[tuple[str, pd.Timestamp]] = frozenset()  # of which the record cannot say what they find


@dataclass(frozen=True)
class RecordedFleet:
    """What every alternative is replayed on."""

    sources: OutcomeSources
    potential: pd.DataFrame  # asset, event_time, mode, happened and the probability given last
    unclear: pd.DataFrame  # visits whose finding says nothing

    @classmethod
    def of(cls, sources: OutcomeSources, today: ScoredModel, horizon: pd.Timedelta | None = None) -> "RecordedFleet":
        """Gather it from what is known; the probabilities are those that today's alarms are decided by."""
        potential = potential_failures(sources)
        probability = probability_before(potential, today.scores, today.columns[horizon or today.horizon])
        return cls(sources, potential.assign(probability=probability), unclear_visits(sources))


def terms_of(alternative: Alternative, model: ScoredModel, terms: Terms) -> Terms:
    """Return what an alert of an alternative claims."""
    return replace(terms, horizon=alternative.horizon or model.horizon)


def alerts_of(alternative: Alternative, model: ScoredModel) -> pd.DataFrame:
    """Return asset, as_of, probability and alert of all cut-offs."""
    column = model.columns[alternative.horizon or model.horizon]
    threshold = model.threshold if alternative.threshold is None else alternative.threshold
    frame = model.scores[["asset", "as_of"]].assign(probability=model.scores[column])
    return frame.assign(alert=frame["probability"] >= threshold)


def replay(
    alternative: Alternative, model: ScoredModel, fleet: RecordedFleet, shared: ReplayTerms, costs: EventCosts
) -> Replay:
    """Count what an alternative would have met."""
    span, terms, events = shared.span, terms_of(alternative, model, fleet.sources.terms), fleet.potential
    scored = alerts_of(alternative, model)
    episodes = replace(fleet.sources, terms=terms).outcomes(scored).episodes
    alerts = scored.loc[scored["alert"], ["asset", "as_of", "probability"]]
    crews = Crews(alternative.machines_per_day, shared.response, alternative.inspect_every)
    visits = matched_visits(plan_visits(alerts, terms, crews, span), events, shared)
    met, inside = visits["finds"], _inside(events["event_time"], span)
    visited = _inside(visits["visited_at"], span)
    prevented = pd.Series(events.index.isin(visits.loc[met, "target"]), index=events.index)
    left_open = inside & ~prevented & ~events["happened"]
    unclear = visited & ~met & _followed(visits, fleet.unclear, events[left_open], reach=shared.detectable)
    announced = in_claim_window(events, alerts, terms)
    false = episodes["state"].eq("fp") & _inside(episodes["opened"], span)
    short, uses = short_assets(events[inside & (events["happened"] | prevented)], alternative.stock, shared.part_lead)
    counts = _count(
        span.assets,
        {
            MISSED: events.loc[inside & events["happened"] & ~announced, "asset"],
            FALSE_ALARMS: episodes.loc[false, "asset"],
            FAILURES: events.loc[inside & ~prevented & events["happened"], "asset"],
            OPEN: events.loc[left_open, "asset"],
            PREVENTED: events.loc[inside & prevented, "asset"],
            VISITS: visits.loc[visited, "asset"],
            IN_VAIN: visits.loc[visited & ~met & ~unclear, "asset"],
            UNKNOWN: visits.loc[unclear, "asset"],
            SHORT: short,
        },
    )
    expected = events[left_open].groupby("asset")["probability"].sum()
    counts[MODELLED] = expected.reindex(counts.index).fillna(0.0)
    return Replay(
        alternative,
        model.name,
        counts,
        fixed_cost=sum(number for _, number in alternative.stock) * costs.keeping,
        parts_needed=uses,
        open_defects=events.loc[left_open, "probability"],
        unknown_visits=frozenset(zip(visits.loc[unclear, "asset"], visits.loc[unclear, "visited_at"], strict=True)),
    )


def matched_visits(visits: pd.DataFrame, events: pd.DataFrame, shared: ReplayTerms) -> pd.DataFrame:
    """Return the visits with `target`, the number of the event they have within reach, and whether they find it.

    The first visit that has an event within reach finds it. Alarms that come after it are of a defect that is no longer
    there, so their visits are left out; inspections by the calendar stay, and find nothing.
    """
    happened, repaired = events[events["happened"]], events[~events["happened"]]
    at_once = visits["alarmed_at"].notna() & (visits["visited_at"] <= visits["alarmed_at"] + shared.response)
    # The recorded repair came when its crew did: a crew that was called by then, and comes as fast, does as well.
    called = visits["visited_at"].where(~at_once, visits["alarmed_at"])
    ahead = _next_event(visits, visits["visited_at"] + _MICRO, happened)
    other = _next_event(visits, called, repaired)
    late = ahead["event_time"] - visits["visited_at"] > shared.detectable
    other_late = other["event_time"] - called > shared.detectable
    ahead, other = ahead.mask(late), other.mask(other_late)
    sooner = ahead["event_time"].isna() | (other["event_time"] < ahead["event_time"])
    target = ahead["number"].where(~sooner, other["number"]).fillna(-1).astype(np.int64)
    first = ~target.duplicated()
    matched = visits.assign(target=target, finds=(target >= 0) & first)
    return matched[matched["finds"] | (target < 0) | visits["alarmed_at"].isna()].reset_index(drop=True)


def _next_event(visits: pd.DataFrame, times: "pd.Series[pd.Timestamp]", events: pd.DataFrame) -> pd.DataFrame:
    """Return number and event_time of the first event of each visit's asset at a time or after it."""
    right = events[["asset", "event_time"]].assign(number=events.index).sort_values("event_time")
    left = pd.DataFrame({"asset": visits["asset"], "at": times, "row": np.arange(len(visits))}).sort_values("at")
    joined = pd.merge_asof(left, right, left_on="at", right_on="event_time", by="asset", direction="forward")
    return joined.sort_values("row")[["number", "event_time"]].set_axis(visits.index)


def _followed(visits: pd.DataFrame, *others: pd.DataFrame, reach: pd.Timedelta) -> "pd.Series[bool]":
    """Mark the visits after whose alarm, or after which, an event of their asset comes, within reach of the visit."""
    marked = pd.Series(False, index=visits.index)
    for events in others:
        comes = _next_event(visits, visits["alarmed_at"].fillna(visits["visited_at"]), events)["event_time"]
        marked |= comes.notna() & (comes - visits["visited_at"] <= reach)
    return marked


def _count(assets: tuple[str, ...], counted: "Mapping[str, pd.Series[str]]") -> pd.DataFrame:
    counts = no_counts(pd.Index(assets, dtype="str", name="asset"))
    for name, rows in counted.items():
        counts[name] = rows.value_counts().reindex(counts.index).fillna(0.0).astype(np.float64)
    return counts


def _inside(times: "pd.Series[pd.Timestamp]", span: Span) -> "pd.Series[bool]":
    return (times > span.since) & (times <= span.until)
