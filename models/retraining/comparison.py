"""Champion against challenger, on one later period that neither was trained on.

Both are scored anew at the same cut-offs from stored history, so that neither is judged by what happened to be asked of
it. Both face the same events: failures, and defects that mechanics confirmed. Without the latter, the champion would be
punished for the failures that its own alarms prevented. Alarms are judged as in
`counterfactual_outcomes`: one that only the challenger raised is not false because nobody acted on it.

One advantage is left to the champion: a defect that its alarm uncovered early is an event to which the challenger may
have come later, and yet in time. Nobody can know, so it counts as missed, and the challenger has to earn it elsewhere.
"""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.tables.history import History
from features.telemetry.windows import cut_offs
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from models.experiment.experiment import CostPlan
from models.outcomes.error_rates import as_json
from models.outcomes.outcomes import Terms, known_failures
from models.retraining.comparison_period import Period, period_after
from models.retraining.holdout_scores import HoldoutScore as HoldoutScore
from models.retraining.holdout_scores import errors_by_asset, holdout_outcomes, holdout_score
from models.retraining.paired_costs import draw_assets
from models.retraining.promotion_rules import (
    USUAL,
    Check,
    PromotionRules,
    better_than_policies,
    calibrated,
    cheaper,
    enough_events,
    misses_not_inferior,
    money,
    no_slice_worse,
)
from models.training.policies import best_interval, calendar_cost

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
class Comparison:
    """The two side by side.

    Parameters
    ----------
    start, end : pd.Timestamp
        The period (start, end] of cut-offs and events.
    events : int
        Failures and confirmed defects that a cut-off could have announced.
    champion, challenger : HoldoutScore or None
        None when there was no period to compare on.
    winner : str
        "champion" or "challenger".
    reasons : tuple of str
        Plain sentences.
    probability_cheaper : float
        That the challenger costs less, by a bootstrap over assets; NaN when there was nothing to compare on.
    checks : tuple of Check
        What was asked of the challenger; it wins iff none has failed.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    events: int
    champion: HoldoutScore | None
    challenger: HoldoutScore | None
    winner: str
    reasons: tuple[str, ...]
    probability_cheaper: float = float("nan")
    checks: tuple[Check, ...] = ()

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
    rules: PromotionRules = USUAL,
    observation_gaps: pd.DataFrame | None = None,
) -> Comparison:
    """Score both anew over a period and tell whether the challenger has earned its promotion.

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
    rules : PromotionRules
        What is asked of the challenger.
    unwatched : pd.DataFrame, optional
        When assets were retired or lost, as `models.outcomes.outcomes` takes it.

    Returns
    -------
    Comparison
        The challenger wins iff no check fails: events enough, cheaper for sure, misses not inferior, no slice worse,
        calibrated, better than doing without a model.

    Raises
    ------
    ModelError
        If the two do not claim the same.
    """
    _check_claims(champion.artifact, challenger.artifact)
    trained = max(champion.trained_until, challenger.trained_until)
    period = period_after(history, trained, start=start, now=now, stride=stride, terms=terms)
    if period.asked.empty:
        return without_judgement(period, rules)
    scores = {c.version: score(c.artifact, history, period.asked) for c in (champion, challenger)}
    judged = {
        version: holdout_outcomes(said, history, period, now=now, terms=terms, observation_gaps=observation_gaps)
        for version, said in scores.items()
    }
    standings = [holdout_score(c.version, judged[c.version], period, costs) for c in (champion, challenger)]
    errors = errors_by_asset(judged[champion.version], judged[challenger.version], scores[challenger.version], period)
    drawn = draw_assets(errors, draws=rules.draws, seed=rules.seed)
    lower = cheaper(errors, drawn, costs, rules)
    checks = (
        enough_events(len(period.events), rules),
        lower,
        misses_not_inferior(errors, drawn, rules),
        no_slice_worse(errors, history.assets, rules),
        calibrated(errors, drawn, rules),
        better_than_policies(standings[1].cost, _policies(history, period, stride, terms, costs)),
    )
    return Comparison(
        start=period.start,
        end=period.end,
        events=len(period.events),
        champion=standings[0],
        challenger=standings[1],
        winner=CHAMPION if any(check.passed is False for check in checks) else CHALLENGER,
        reasons=(
            *period.sentences,
            _figures(standings[0], standings[1], len(period.events)),
            *(check.sentence for check in checks),
        ),
        probability_cheaper=float(lower.figures["probability_cheaper"]),
        checks=checks,
    )


def without_judgement(period: Period, rules: PromotionRules) -> Comparison:
    """Tell that a period holds too little to compare on; the champion stays.

    Parameters
    ----------
    period : Period
        The period.
    rules : PromotionRules
        How many events are asked for.

    Returns
    -------
    Comparison
        Without standings.
    """
    check = enough_events(len(period.events), rules)
    reasons = (*period.sentences, check.sentence)
    return Comparison(period.start, period.end, len(period.events), None, None, CHAMPION, reasons, checks=(check,))


def _check_claims(champion: Artifact, challenger: Artifact) -> None:
    claims = [(artifact.target, artifact.lead, artifact.horizon) for artifact in (champion, challenger)]
    if claims[0] != claims[1] or champion.horizon is None:
        raise ModelError(
            f"the champion claims {claims[0]}, the challenger {claims[1]}",
            "two models that foretell failures with the same lead and horizon",
            "Promote it by hand with `forewarn models promote`, or train the challenger to the champion's horizon",
        )


def _policies(
    history: History, period: Period, stride: pd.Timedelta, terms: Terms, costs: CostPlan
) -> dict[str, float]:
    """Cost never, always and the calendar's best interval, chosen on what came before the period as a plant would."""
    prices = {"missed_failure": costs.missed_failure, "false_alarm": costs.false_alarm}
    before = cut_offs(history, stride, end=period.start - terms.claim)
    known = known_failures(history.failures, period.start)
    fixed = best_interval(before, known, terms=terms, **prices)
    intervals = {
        "never inspecting": None,
        "always inspecting": terms.horizon,
        f"inspecting every {fixed / pd.Timedelta(days=1):g} days": fixed,
    }
    return {
        name: calendar_cost(period.asked, period.events, interval=interval, terms=terms, **prices).cost
        for name, interval in intervals.items()
    }


def _figures(champion: HoldoutScore, challenger: HoldoutScore, events: int) -> str:
    return (
        f"Over {events} failures and confirmed defects, the challenger (version {challenger.version}) missed "
        f"{challenger.missed.count} and raised {challenger.false_episodes.count} false alarms, cost "
        f"{money(challenger.cost)}; the champion (version {champion.version}) missed {champion.missed.count} and "
        f"raised {champion.false_episodes.count}, cost {money(champion.cost)}."
    )
