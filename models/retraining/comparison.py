"""Champion against challenger, on one later period that neither was trained on.

Both are scored anew at the same cut-offs from stored history, so that neither depends on which predictions happened to
be requested of it. Both face the same events: failures, and defects that mechanics confirmed. Without the latter, the
champion would be punished for the failures that its own alarms prevented. Alarms are classified as in
`counterfactual_outcomes`: one that only the challenger raised is not false because nobody acted on it.

One advantage is left to the champion: a defect that its alarm uncovered early is an event that the challenger might
have announced later, and yet in time. That cannot be known, so it counts as missed by the challenger.
"""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from data_contracts.errors import ModelError
from data_contracts.tables.history import History
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from models.experiment.plans import CostPlan
from models.labels.observed_cut_offs import ObservationRule, observed_cut_offs
from models.outcomes.error_rates import ErrorRates, as_json
from models.outcomes.outcomes import Terms, known_failures
from models.retraining.alpha_spending import AlphaWealth
from models.retraining.comparison_period import Period, period_after
from models.retraining.comparison_plan import ComparisonPlan, plan_comparison
from models.retraining.comparison_power import ExpectedErrors
from models.retraining.holdout_scores import HoldoutScore as HoldoutScore
from models.retraining.holdout_scores import errors_by_asset, holdout_outcomes, holdout_score, settled_probabilities
from models.retraining.paired_costs import draw_assets, extra_cost
from models.retraining.promotion_rules import (
    DEFAULT_RULES,
    Check,
    PromotionRules,
    better_than_policies,
    calibrated,
    calibrated_throughout,
    cheaper,
    keeps_declared_rate,
    misses_not_inferior,
    money,
    no_slice_worse,
)
from models.training.policies import best_interval, calendar_cost

CHAMPION = "champion"
CHALLENGER = "challenger"


@dataclass(frozen=True)
class Contender:
    """One of the two models."""

    version: int
    artifact: Artifact
    trained_until: pd.Timestamp  # its last training cut-off; the label of that one looked ahead by lead + horizon
    promised: ErrorRates | None = None  # the error rates of its evaluation
    alarms_declared: float | None = None  # false alarms per asset-month, of a detector of anomalies


@dataclass(frozen=True)
class Comparison:
    """The two models side by side."""

    start: pd.Timestamp  # the period (start, end] of cut-offs and events
    end: pd.Timestamp
    events: int  # failures and confirmed defects that a cut-off could have announced
    champion: HoldoutScore | None  # None when there was no period to compare on
    challenger: HoldoutScore | None
    winner: str  # "champion" or "challenger"
    reasons: tuple[str, ...]  # sentences
    # That the challenger costs less, by a bootstrap over assets; NaN without a period to compare on.
    probability_cheaper: float = float("nan")
    checks: tuple[Check, ...] = ()  # the challenger wins iff none has failed
    # How much more the challenger costs, asset by asset where it differs: what the test of the costs rests on.
    differences: tuple[float, ...] = ()

    @property
    def alpha_spent(self) -> float:
        """The probability with which a challenger that is no better would have been promoted."""
        return sum(float(check.figures["alpha_spent"]) for check in self.checks if check.name == "cheaper")

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return {name: as_json(value) for name, value in asdict(self).items() if name != "differences"}


def compare(
    champion: Contender,
    challenger: Contender,
    history: History,
    *,
    start: pd.Timestamp,
    now: pd.Timestamp,
    stride: pd.Timedelta | None,
    terms: Terms,
    costs: CostPlan,
    rule: ObservationRule,
    rules: PromotionRules = DEFAULT_RULES,
    wealth: AlphaWealth | None = None,
    urgent: bool = False,
    observation_gaps: pd.DataFrame | None = None,
) -> Comparison:
    """Score both models anew over a period and decide whether the challenger is to replace the champion.

    They are scored every `stride`, or at every reading without one, where assets were observed by the `rule`. Both must
    predict failures with the same lead and horizon, or `ModelError` is raised. The period begins at `start`, or later
    if one of the two was trained on more than that, and ends where outcomes have matured by `now`. The challenger wins
    iff no check fails: enough events, surely cheaper, misses not inferior, no slice worse, calibrated, better than
    policies without a model. How sure depends on the `wealth` that may be spent, the largest alpha if None, and on
    whether the comparison answers a drift (`urgent`).
    """
    _check_claims(champion.artifact, challenger.artifact)
    trained = max(champion.trained_until, challenger.trained_until)
    period = period_after(history, trained, start=start, now=now, stride=stride, terms=terms, rule=rule)
    plan = plan_on(period, champion, rules, costs, wealth=wealth, urgent=urgent)
    if period.cut_offs.empty:
        return no_comparison(period, plan)
    scores = {c.version: score(c.artifact, history, period.cut_offs) for c in (champion, challenger)}
    results = {
        version: holdout_outcomes(predictions, history, period, now=now, terms=terms, observation_gaps=observation_gaps)
        for version, predictions in scores.items()
    }
    champion_score, challenger_score = (
        holdout_score(c.version, results[c.version], period, costs) for c in (champion, challenger)
    )
    settled = settled_probabilities(results[challenger.version], scores[challenger.version])
    errors = errors_by_asset(results[champion.version], results[challenger.version], settled, period)
    drawn = draw_assets(errors, draws=rules.draws, seed=rules.seed)
    cost_check = cheaper(errors, drawn, costs, rules, alpha=plan.alpha)
    extra = extra_cost(errors, costs)
    checks = (
        plan.check,
        cost_check,
        misses_not_inferior(errors, drawn, rules),
        no_slice_worse(errors, history.assets, rules),
        calibrated(errors, drawn, rules),
        calibrated_throughout(settled, rules),
        better_than_policies(
            challenger_score.cost, _policies(history, period, stride, rule, terms, costs, observation_gaps)
        )
        if challenger.alarms_declared is None
        else keeps_declared_rate(challenger_score.false_episodes, challenger.alarms_declared),
    )
    return Comparison(
        start=period.start,
        end=period.end,
        events=len(period.events),
        champion=champion_score,
        challenger=challenger_score,
        winner=CHAMPION if any(check.passed is False for check in checks) else CHALLENGER,
        reasons=(
            *period.notes,
            _summary(champion_score, challenger_score, len(period.events)),
            *(check.sentence for check in checks),
        ),
        probability_cheaper=float(cost_check.figures["probability_cheaper"]),
        checks=checks,
        differences=tuple(extra[extra != 0.0].tolist()),
    )


def plan_on(
    period: Period,
    champion: Contender,
    rules: PromotionRules,
    costs: CostPlan,
    *,
    wealth: AlphaWealth | None = None,
    urgent: bool = False,
) -> ComparisonPlan:
    """Plan the comparison of a challenger with the champion on a period; no challenger is needed for that."""
    wealth = AlphaWealth(period.end, rules.largest_alpha) if wealth is None else wealth
    expected = ExpectedErrors.of(champion.promised, costs)
    detectors = champion.artifact.target == "anomaly" and not period.cut_offs.empty
    return plan_comparison(len(period.events), wealth, rules, expected, urgent=urgent, detectors=detectors)


def no_comparison(period: Period, plan: ComparisonPlan) -> Comparison:
    """Return the comparison that is not made: without scores, and the champion stays."""
    check = plan.check
    reasons = (*period.notes, check.sentence)
    return Comparison(period.start, period.end, len(period.events), None, None, CHAMPION, reasons, checks=(check,))


def _check_claims(champion: Artifact, challenger: Artifact) -> None:
    claims = [(artifact.target, artifact.lead, artifact.horizon) for artifact in (champion, challenger)]
    if claims[0] != claims[1] or champion.horizon is None:
        raise ModelError(
            f"the champion predicts {claims[0]}, the challenger {claims[1]}",
            "two models that predict failures with the same lead and horizon",
            "Promote it by hand with `forewarn models promote`, or train the challenger to the champion's horizon",
        )


def _policies(
    history: History,
    period: Period,
    stride: pd.Timedelta | None,
    rule: ObservationRule,
    terms: Terms,
    costs: CostPlan,
    observation_gaps: pd.DataFrame | None,
) -> dict[str, float]:
    """Return the cost of inspecting never, always, and at the interval that was best before the period."""
    missed, false = costs.missed_failure, costs.false_alarm
    before = observed_cut_offs(history, stride, rule, end=period.start - terms.claim).cut_offs
    known = known_failures(history.predicted_failures, period.start, terms.breakdown)
    best = best_interval(
        before, known, terms=terms, missed_failure=missed, false_alarm=false, observation_gaps=observation_gaps
    )
    intervals = {
        "never inspecting": None,
        "always inspecting": terms.horizon,
        f"inspecting every {best / pd.Timedelta(days=1):g} days": best,
    }
    return {
        name: calendar_cost(
            period.cut_offs,
            period.events,
            interval=at,
            terms=terms,
            missed_failure=missed,
            false_alarm=false,
            observation_gaps=observation_gaps,
        ).cost
        for name, at in intervals.items()
    }


def _summary(champion: HoldoutScore, challenger: HoldoutScore, events: int) -> str:
    return (
        f"Over {events} failures and confirmed defects, the challenger (version {challenger.version}) missed "
        f"{challenger.missed.count} and raised {challenger.false_episodes.count} false alarms, cost "
        f"{money(challenger.cost)}; the champion (version {champion.version}) missed {champion.missed.count} and "
        f"raised {champion.false_episodes.count}, cost {money(champion.cost)}."
    )
