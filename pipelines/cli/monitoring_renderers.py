"""Renderers of scores, monitoring, retrainings and back-tests."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from pipelines.terminal.metrics import pluralize
from pipelines.terminal.tables import column_table, format_minute

if TYPE_CHECKING:
    from models.monitoring.drift import Drift
    from models.outcomes.error_rates import Rate
    from pipelines.backtesting.backtest_result import BacktestResult
    from pipelines.figures.champion_figures import FiguresResult
    from pipelines.jobs.audits import AuditList, MissEstimate
    from pipelines.jobs.monitor import MonitorResult
    from pipelines.jobs.score import ScoreResult
    from pipelines.jobs.shadow import ShadowReport
    from pipelines.jobs.why import Explanation
    from pipelines.retraining.result import RetrainResult
    from pipelines.what_if.result import WhatIfResult


_MAX_LISTED = 20


def score(result: "ScoreResult") -> Group:
    """Render a scoring run: alerts, and what was left out."""
    from pipelines.jobs.risk_list import first_risks

    last = result.clock.instant(result.as_of)
    at = f"each asset as of its own last reading, the latest {last}" if result.own_cut_offs else f"as of {last}"
    head = f"{result.model_name} version {result.model_version}, {at}: "
    head += f"{result.scored:,} {pluralize('asset', result.scored)} scored, {result.stored:,} predictions stored"
    head += "" if result.stored else " (they were stored before)"
    listed = tuple(risk.words(result.clock) for risk in first_risks(result.risks, result.top))
    if any(risk.condition is not None for risk in result.risks):
        alerts = Text(f"{result.condition}, the highest first: ") + Text(_first_names(listed))
    elif result.top is None:
        alerts = Text(f"over the threshold ({len(result.alerts):,}): ") + Text(_first_names(listed), style="yellow")
    else:
        over = f"{len(result.alerts):,} over the threshold"
        alerts = Text(f"the {len(listed):,} at the highest risk ({over}): ") + Text(", ".join(listed), style="yellow")
    held_back = len(result.held_back or ())
    others = {
        "failed and not back": result.failed,
        "retired": result.retired,
        "without enough telemetry in the window": result.silent,
        f"from telemetry that is too old; {result.stale_after}": result.stale,
    }
    lines = [f"{what} ({len(names):,}): {_first_names(names)}" for what, names in others.items() if names]
    lines += [f"{asset}: {words}" for asset, words in list(result.first_window.items())[:_MAX_LISTED]]
    if result.own_baselines:
        lines.append(f"measured by a baseline of their own, not their type's: {result.own_baselines:,}")
    lines += [each.words for each in result.no_model]
    if held_back:
        lines.append(f"alarms held back at random, which nobody is to act on (policy.hold_back): {held_back:,}")
    if result.fail_later:
        lines.append(
            f"with a failure stored for a later cycle than that, which is not known there: {result.fail_later:,}"
        )
    return Group(Text(head), alerts, *(Text(line, style="dim") for line in lines))


def audit_list(result: "AuditList") -> Group:
    """Render the assets to inspect."""
    if result.assets.empty:
        return Group(Text(f"No asset of {result.model_name} is without an alert on {result.drawn_at:%Y-%m-%d}."))
    table = column_table("asset", "plant", "probability")
    for row in result.assets.to_dict("records"):
        table.add_row(row["asset"], row["stratum"] or "-", f"{row['probability']:.3f}")
    hint = "Inspect these, and report each work order with prompted_by = audit and its finding."
    return Group(table, Text(hint, style="dim"))


def miss_estimate(result: "MissEstimate") -> Text:
    """Render the estimate of missed failures that audits allow."""
    estimate = result.estimate
    if not estimate.inspected:
        return Text(f"{estimate.drawn} audits have matured, none was inspected: misses cannot be estimated.")
    text = Text(
        f"{estimate.inspected} of {estimate.drawn} matured audits were inspected, {estimate.defects} found a defect. "
        f"Estimate: of {estimate.silent} assets without an alert {estimate.missed:.1f} had one "
        f"({estimate.confidence:.0%} interval {estimate.missed_low:.1f} to {estimate.missed_high:.1f})."
    )
    if result.sensitivity.of:
        reported, interval = _share(result.sensitivity)
        text.append(f" Of the defects that mechanics met, {reported} were reported (interval {interval}).")
    return text


def explanation(result: "Explanation") -> Group:
    """Render why something was decided."""
    parts: list[RenderableType] = [Text(result.question, style="bold")]
    parts.append(Text(f"{format_minute(result.at)}: {result.decision}"))
    sections = {
        "What was seen": result.seen,
        "Which test, and how sure": result.tests,
        "What blocked it": result.held,
        "What would change the decision": result.change,
    }
    for title, sentences in sections.items():
        if sentences:
            parts += [Text(), Text(title, style="bold"), *(Text(f"- {sentence}") for sentence in sentences)]
    return Group(*parts)


def monitor(result: "MonitorResult") -> Group:
    """Render a monitoring run: rates beside the promise, and the verdict."""
    head = Text(f"{result.model_name} version {result.model_version} at {format_minute(result.now)}: ")
    head.append(result.decision, style="green" if result.decision == "hold" else "yellow")
    rates = result.rates
    table = column_table("outcomes that have matured", "seen", f"{rates.confidence:.0%} interval", "promised")
    table.add_row("failures missed", *_share(rates.missed), _percent(result.promise.missed.value))
    table.add_row(
        "false alarms per asset-month", *_frequency(rates.false_episodes), _number(result.promise.false_episodes.value)
    )
    table.add_row("decisions: failures not predicted", *_share(rates.decision_fn), "")
    table.add_row("decisions: false alerts", *_share(rates.decision_fp), "")
    if (answered := result.coverage) is not None:
        table.add_row("answered intervals that held the life", *_share(answered.covered), _percent(answered.level))
    span = (
        "no decision has matured yet; "
        if rates.start >= rates.end
        else f"decisions from {format_minute(rates.start)} to {format_minute(rates.end)}; "
    )
    span += f"{rates.caught} caught, {rates.prevented} prevented, {rates.uncovered} uncovered. Tests count an asset "
    span += "once a look, and none whose data are in doubt"
    promised = () if result.promised is None else result.promised.sentences
    noticed = [f"noticed: {sentence}" for sentence in (*result.diagnosis.sentences, *result.warnings)]
    noticed += [result.findings.sentence] if result.findings.sentence else []
    noticed += result.acting_sentences
    if result.probation is not None:
        noticed += [f"on probation: {sentence}" for sentence in result.probation.reasons]
    return Group(
        head, *(Text(f"- {sentence}") for sentence in (*result.reasons, *promised, *noticed)), Text(), table,
        Text(span, style="dim"), *_strata(result.drift), Text(f"report: {result.report}"),
    )  # fmt: skip


def _strata(drift: "Drift") -> list[RenderableType]:
    from pipelines.figures.stratum_rows import HEAD, stratum_rows

    if not drift.strata:
        return []
    table = column_table(drift.strata[0].counts.by, *HEAD)
    for row in stratum_rows(drift.strata):
        table.add_row(*row)
    return [Text(), table]


def figures(result: "FiguresResult") -> Group:
    """Render predictions beside what came later."""
    from pipelines.figures.champion_figures import figure_rows

    head = Text(f"{result.model_name} version {result.model_version} at {format_minute(result.now)}")
    table = column_table("", "seen", "in the evaluation")
    for row in figure_rows(result):
        table.add_row(*row)
    reasons = (Text(f"- {sentence}") for sentence in result.reasons)
    return Group(head, *reasons, Text(), table, Text(f"report: {result.report}"))


def retrain(result: "RetrainResult") -> Group:
    """Render a retraining: what was compared, and what was decided."""
    postponed = result.challenger_version is None
    subject = "retraining" if postponed else f"version {result.challenger_version}"
    head = Text(f"{result.model_name}: {subject} ")
    head.append(result.decision, style="green" if result.decision == "promoted" else "yellow")
    head.append("; the champion stays" if postponed else ", compared with the champion")
    head.append(f", version {result.champion_version}")
    comparison = result.comparison
    table = column_table("", f"champion v{result.champion_version}", f"challenger v{result.challenger_version}")
    scores = (comparison.champion, comparison.challenger)
    if all(scores):
        for name, column in _HOLDOUT_SCORES.items():
            table.add_row(name, *(column(score) for score in scores))
    span = f"both on {format_minute(comparison.start)} to {format_minute(comparison.end)}, {comparison.events} events"
    promised = () if result.promise is None else result.promise.sentences
    refitted = () if result.refit is None else result.refit.reasons
    reasons = [Text(f"- {reason}") for reason in (*result.reasons, *promised, *refitted)]
    return Group(head, *reasons, Text(), *([table] if all(scores) else []), Text(span, style="dim"))


def shadow(report: "ShadowReport") -> Group:
    """Render how challengers in the shadow do."""
    if not report.versions:
        return Group(Text(f"No version of {report.model_name} has scored in the shadow yet."))
    parts: list[RenderableType] = []
    for version in report.versions:
        answered_by = ", ".join(f"v{number}" for number in version.answered_by)
        head = Text(f"{report.model_name} version {version.version} in the shadow of {answered_by}", style="bold")
        span = f"{version.compared:,} predictions, {format_minute(version.start)} to {format_minute(version.end)}; "
        alerts = f"both alert {version.alerts_of_both:,}, only the champion {version.alerts_answered_only:,}, "
        alerts += f"only the shadow {version.alerts_shadow_only:,}; {version.agreement:.1%} agree"
        table = column_table("outcomes that have matured", "champion", "shadow")
        rates = (version.answered, version.shadow)
        table.add_row("failures missed", *(_share(side.missed)[0] for side in rates))
        table.add_row("false alarms per asset-month", *(_frequency(side.false_episodes)[0] for side in rates))
        parts += [head, Text(span + alerts, style="dim"), table]
    return Group(*parts)


def backtest(result: "BacktestResult") -> RenderableType:
    """Render what each retraining rule would have cost."""
    from pipelines.backtesting.backtest_table import render_table

    return render_table(result)


def what_if(result: "WhatIfResult") -> RenderableType:
    """Render alternatives beside what is done today."""
    from pipelines.what_if.table import render_table

    return render_table(result)


def _first_names(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return (", ".join(names[:_MAX_LISTED]) or "none") + more


def _share(rate: "Rate") -> tuple[str, str]:
    if not rate.of:
        return "none yet", ""
    return f"{rate.value:.1%} ({rate.count} of {rate.of:g})", f"{rate.low:.1%} to {rate.high:.1%}"


def _frequency(rate: "Rate") -> tuple[str, str]:
    if not rate.of:
        return "none yet", ""
    return f"{rate.value:.2f} ({rate.count} in {rate.of:.1f})", f"{rate.low:.2f} to {rate.high:.2f}"


def _percent(value: float) -> str:
    return f"{value:.1%}" if math.isfinite(value) else "nothing"


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "nothing"


_HOLDOUT_SCORES: Mapping[str, Callable[[Any], str]] = {
    "cost": lambda score: f"{score.cost:,.0f}",
    "failures missed": lambda score: f"{score.missed.count} of {score.missed.of:g}",
    "false alarms": lambda score: (
        f"{score.false_episodes.count}, {_number(score.false_episodes.value)} per asset-month"
    ),
}
