"""Champion against challenger, on one later period that neither was trained on.

Both are scored anew at the same cut-offs from stored history, so that neither is judged by what happened to be asked of
it. Both face the same events: failures, and defects that mechanics confirmed when an alarm sent them. Without the
latter, the champion would be punished for the failures that its own alarms prevented.
"""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.history import History
from features.windows import cut_offs
from models.artifact import Artifact
from models.error_rates import Rate, as_json, error_rates, share
from models.experiment import CostPlan
from models.labels import interventions
from models.outcomes import Terms, known_failures, known_work_orders, outcomes, told_before
from models.scoring import score

CHAMPION = "champion"
CHALLENGER = "challenger"


@dataclass(frozen=True)
class Contender:
    """One of the two.

    Parameters
    ----------
    version : int
        Of the registered model.
    artifact : Artifact
        The model.
    trained_until : pd.Timestamp
        Its last training cut-off; the label of that one looked ahead by lead + horizon.
    """

    version: int
    artifact: Artifact
    trained_until: pd.Timestamp


@dataclass(frozen=True)
class Standing:
    """How one of the two did.

    Parameters
    ----------
    version : int
        Of the registered model.
    cost : float
        Missed events and false alarm episodes at their prices, over the whole period.
    missed : Rate
        Events that no alert announced in time.
    false_episodes : Rate
        False alarm episodes per asset-month.
    decision_fn, decision_fp : Rate
        The classical rates per decision.
    """

    version: int
    cost: float
    missed: Rate
    false_episodes: Rate
    decision_fn: Rate
    decision_fp: Rate


@dataclass(frozen=True)
class Comparison:
    """The two side by side.

    Parameters
    ----------
    start, end : pd.Timestamp
        The period (start, end] of cut-offs and events.
    events : int
        Failures and confirmed defects that a cut-off could have announced.
    champion, challenger : Standing or None
        None when there was no period to compare on.
    winner : str
        "champion" or "challenger".
    reasons : tuple of str
        Plain sentences.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    events: int
    champion: Standing | None
    challenger: Standing | None
    winner: str
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values."""
        return {name: as_json(value) for name, value in asdict(self).items()}


def compare(
    champion: Contender,
    challenger: Contender,
    history: History,
    *,
    start: pd.Timestamp,
    now: pd.Timestamp,
    stride: pd.Timedelta,
    terms: Terms,
    costs: CostPlan,
    min_events: int = 3,
) -> Comparison:
    """Score both anew over a period and tell which one costs less.

    Parameters
    ----------
    champion, challenger : Contender
        The two; both foretell failures with the same lead and horizon.
    history : History
        Everything known by now about the assets.
    start : pd.Timestamp
        The period begins here, or later if one of the two was trained on more than that.
    now : pd.Timestamp
        The period ends where outcomes have matured by now.
    stride : pd.Timedelta
        Between cut-offs.
    terms : Terms
        Lead, horizon, gap and reporting delay.
    costs : CostPlan
        Of a missed failure and of a false alarm.
    min_events : int
        With fewer events the champion stays: a model that never alerts is the cheapest where nothing happens.

    Returns
    -------
    Comparison
        The challenger wins iff it costs less.

    Raises
    ------
    ModelError
        If the two do not claim the same.
    """
    _check_claims(champion.artifact, challenger.artifact)
    # The purge: what the last training label looked at belongs to the training data.
    trained = max(champion.trained_until, challenger.trained_until) + terms.claim
    first, last = max(start, trained), now - terms.maturity
    moved = (
        (f"The period begins on {first:%Y-%m-%d %H:%M}, where the training data of both have ended.",)
        if first > start
        else ()
    )
    asked = _cut_offs(history, stride, first, last)
    if asked.empty:
        reason = f"No decision after {first:%Y-%m-%d %H:%M} has matured by now, so there is nothing to compare on."
        return Comparison(first, max(first, last), 0, None, None, CHAMPION, (*moved, reason))
    scores = {c.version: score(c.artifact, history, asked) for c in (champion, challenger)}
    events = judged_events(history, asked, start=first, now=now, terms=terms)
    standings = [
        standing(c.version, scores[c.version], history, events, start=first, now=now, terms=terms, costs=costs)
        for c in (champion, challenger)
    ]
    winner, reason = _verdict(standings[0], standings[1], len(events), min_events)
    return Comparison(first, last, len(events), standings[0], standings[1], winner, (*moved, reason))


def judged_events(
    history: History, asked: pd.DataFrame, *, start: pd.Timestamp, now: pd.Timestamp, terms: Terms
) -> pd.DataFrame:
    """Return what both have to announce: failures, and defects confirmed by mechanics whom an alarm had sent.

    Parameters
    ----------
    history : History
        Its failures and work orders are used.
    asked : pd.DataFrame
        Columns asset, as_of: the cut-offs; events that none of them could have announced are left out.
    start : pd.Timestamp
        Events after this, up to those whose alerts have all matured by `now`.
    now : pd.Timestamp
        Nothing known later is used.
    terms : Terms
        Lead, horizon and reporting delay.

    Returns
    -------
    pd.DataFrame
        Columns asset, event_time.
    """
    work = interventions(known_work_orders(history.work_orders, now))
    confirmed = work.loc[work["finding"].eq("defect_confirmed").fillna(False), ["asset", "event_time"]]
    events = pd.concat([known_failures(history.failures, now), confirmed], ignore_index=True).drop_duplicates()
    inside = (events["event_time"] > start) & (events["event_time"] <= now - terms.maturity)
    events = events[inside].sort_values(["asset", "event_time"], ignore_index=True)
    return events[told_before(events, asked, terms)].reset_index(drop=True)


def standing(
    version: int,
    predictions: pd.DataFrame,
    history: History,
    events: pd.DataFrame,
    *,
    start: pd.Timestamp,
    now: pd.Timestamp,
    terms: Terms,
    costs: CostPlan,
) -> Standing:
    """Tell what one model's alerts would have cost.

    Parameters
    ----------
    version : int
        Of the model.
    predictions : pd.DataFrame
        Columns asset, as_of, alert.
    history : History
        Its failures and work orders are used.
    events : pd.DataFrame
        What was to be announced, from `judged_events`.
    start, now, terms
        As for `compare`.
    costs : CostPlan
        Of a missed failure and of a false alarm.

    Returns
    -------
    Standing
        Costs and rates.
    """
    known = outcomes(predictions, history.failures, history.work_orders, now=now, terms=terms)
    rates = error_rates(known, start=start)
    alerts = predictions[predictions["alert"].astype(bool)]
    missed = share(int((~told_before(events, alerts, terms)).sum()), len(events))
    cost = missed.count * costs.missed_failure + rates.false_episodes.count * costs.false_alarm
    return Standing(version, cost, missed, rates.false_episodes, rates.decision_fn, rates.decision_fp)


def _check_claims(champion: Artifact, challenger: Artifact) -> None:
    claims = [(artifact.target, artifact.lead, artifact.horizon) for artifact in (champion, challenger)]
    if claims[0] != claims[1] or champion.horizon is None:
        raise ModelError(
            f"the champion claims {claims[0]}, the challenger {claims[1]}",
            "two models that foretell failures with the same lead and horizon",
            "Promote it by hand with `forewarn models promote`, or train the challenger to the champion's horizon",
        )


def _cut_offs(history: History, stride: pd.Timedelta, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    if end <= start:
        return pd.DataFrame({"asset": [], "as_of": []})
    asked = cut_offs(history, stride, start=start, end=end)
    return asked[(asked["as_of"] > start) & (asked["as_of"] <= end)].reset_index(drop=True)


def _verdict(champion: Standing, challenger: Standing, events: int, min_events: int) -> tuple[str, str]:
    figures = (
        f"Over {events} failures and confirmed defects, the challenger (version {challenger.version}) missed "
        f"{challenger.missed.count} and raised {challenger.false_episodes.count} false alarms, cost "
        f"{challenger.cost:g}; the champion (version {champion.version}) missed {champion.missed.count} and raised "
        f"{champion.false_episodes.count}, cost {champion.cost:g}."
    )
    if events < min_events:
        return CHAMPION, f"{figures} That is fewer than {min_events} events, too few to replace a champion."
    if challenger.cost < champion.cost:
        return CHALLENGER, f"{figures} The challenger is cheaper."
    return CHAMPION, f"{figures} The challenger is not cheaper."
