"""Whether a model may become the first champion: it must beat doing without it, and rank better than chance."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# One in twenty models that rank by chance passes.
_SIGNIFICANT = 0.05
_AT_RANDOM = "failures_caught_at_random"
_WITHOUT = {
    "never acting": "expected_cost_never",
    "always acting": "expected_cost_always",
    "acting by the calendar": "expected_cost_fixed_interval",
}


_DECLARED = "declared_false_alarms_per_asset_month"


@dataclass(frozen=True)
class FirstChampion:
    """Whether a model without a predecessor may serve, and why."""

    accepted: bool
    reason: str


def judge_first(metrics: Mapping[str, float]) -> FirstChampion:
    """Judge a model by the metrics of its evaluation.

    A detector of anomalies must not raise more false alarms than it declares, unless chance may explain them. Another
    model that alerts must cost less on its test samples than never acting, always acting and acting by the calendar,
    or, with an alarm budget, catch more failures than inspections at random; and chance must not be likely to rank as
    well (`models.assessment.ranking`). One that predicts a number must be closer than the mean of its training samples.
    """
    objections = list(_objections(metrics))
    if objections:
        return FirstChampion(False, f"It {' and '.join(objections)}.")
    return FirstChampion(True, f"There was no champion, and {_merits(metrics)}.")


def _objections(m: Mapping[str, float]) -> Iterator[str]:
    if _DECLARED in m:
        if m["false_alarms_by_chance"] < _SIGNIFICANT:
            yield (
                f"raised {m['false_alarms']:.0f} false alarms in {m['asset_months']:.3g} asset-months of the test, "
                f"and declares {m[_DECLARED]:g} per asset-month (p = {m['false_alarms_by_chance']:.2g})"
            )
        return
    if "rmse_mean" in m:
        error = m.get("rmse_capped", m.get("rmse", math.nan))
        if math.isnan(error):
            yield "has no test sample with a known outcome"
        elif not error < m["rmse_mean"]:
            yield f"is no better than predicting the mean (RMSE {error:.3g}, of the mean {m['rmse_mean']:.3g})"
        return
    yield from _budget_objections(m) if _AT_RANDOM in m else _cost_objections(m)
    failed, by_chance = m.get("assets_failed", 0.0), m.get("ranking_by_chance", math.nan)
    if math.isnan(by_chance):
        yield "cannot be compared with chance: no asset of the test has samples both before a failure and without one"
    elif by_chance > _SIGNIFICANT:
        assets = "1 asset" if failed == 1 else f"{failed:.0f} assets"
        yield (
            f"ranks no better than chance as far as {assets} that failed can show (ROC AUC by asset "
            f"{m['roc_auc_by_asset']:.3f}; chance ranks as well with probability {by_chance:.2g})"
        )


def _budget_objections(m: Mapping[str, float]) -> Iterator[str]:
    caught, total = m.get("failures_caught", math.nan), m.get("failures_total", math.nan)
    if not caught > m[_AT_RANDOM]:
        yield (
            f"does not beat doing without it (its alarms caught {caught:.0f} of {total:.0f} failures, as many "
            f"inspections at random {m[_AT_RANDOM]:.1f})"
        )


def _cost_objections(m: Mapping[str, float]) -> Iterator[str]:
    own = m.get("expected_cost", math.nan)
    costs = {name: m[key] for name, key in _WITHOUT.items() if key in m and not math.isnan(m[key])}
    better = {name: cost for name, cost in costs.items() if not own < cost}
    if not costs:
        yield "has no test sample to compare its costs on"
    elif better:
        name = min(better, key=lambda each: better[each])
        yield f"does not beat doing without it (its errors cost {own:,.6g} on the test, {name} {better[name]:,.6g})"


def _merits(m: Mapping[str, float]) -> str:
    if _DECLARED in m:
        return (
            f"its false alarms ({m['false_alarms']:.0f} in {m['asset_months']:.3g} asset-months of the test) are not "
            f"more than the {m[_DECLARED]:g} per asset-month that it declares"
        )
    if "rmse_mean" in m:
        error = m.get("rmse_capped", m.get("rmse", math.nan))
        return f"it is closer than the mean (RMSE {error:.3g}, of the mean {m['rmse_mean']:.3g})"
    chance = f"chance (which ranks as well with probability {m['ranking_by_chance']:.2g})"
    if _AT_RANDOM in m:
        caught = f"{m['failures_caught']:.0f} of {m['failures_total']:.0f} failures"
        return f"its alarms caught {caught}, as many inspections at random {m[_AT_RANDOM]:.1f}, and it beats {chance}"
    name = min(_WITHOUT, key=lambda each: m[_WITHOUT[each]])
    return (
        f"it beats doing without it (its errors cost {m['expected_cost']:,.6g} on the test, {name} "
        f"{m[_WITHOUT[name]]:,.6g}) and {chance}"
    )
