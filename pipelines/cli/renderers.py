"""Render results for a terminal of eighty columns.

Results of lower layers know nothing of terminals, so their renderers are here. Classes are named by their import paths,
so that rendering one result imports nothing of the others.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from pipelines.cli import data_renderers, twin_renderers
from pipelines.terminal.metrics import format_metric, metrics_table, pluralize
from pipelines.terminal.tables import column_table, format_minute, key_value_table, yes_or_no

if TYPE_CHECKING:
    from models.monitoring.drift import Drift
    from models.outcomes.error_rates import Rate
    from models.registry.promotion import Promoted
    from models.registry.reproduce import Reproduction
    from pipelines.backtesting.backtest_result import BacktestResult
    from pipelines.figures.champion_figures import FiguresResult
    from pipelines.flows.schedules import FlowResult
    from pipelines.jobs.audits import AuditList, MissEstimate
    from pipelines.jobs.monitor import MonitorResult
    from pipelines.jobs.score import ScoreResult
    from pipelines.jobs.shadow import ShadowReport
    from pipelines.jobs.train import TrainResult
    from pipelines.jobs.why import Explanation
    from pipelines.retraining.by_hand import RefittedPromotion
    from pipelines.retraining.result import RetrainResult

_MAX_LISTED = 20


def render(result: Any) -> RenderableType:
    """Return what to print of a result: by its own ``__rich__``, its class's renderer, or as names and values."""
    if hasattr(result, "__rich__"):
        return result  # type: ignore[no-any-return] # it renders itself
    renderer = _RENDERERS.get(f"{type(result).__module__}:{type(result).__qualname__}")
    return key_value_table(result.to_dict()) if renderer is None else renderer(result)


def versions(entries: Sequence[Mapping[str, Any]]) -> Group:
    """Render registered versions, as `forewarn models list` has them, model by model."""
    if not entries:
        return Group(Text("No model is registered. Train one with `forewarn train`."))
    parts: list[RenderableType] = []
    for model in dict.fromkeys(entry["model"] for entry in entries):
        own = [entry for entry in entries if entry["model"] == model]
        columns = _LIFE_METRICS if any("rmse_capped" in entry for entry in own) else _FAILURE_METRICS
        table = column_table("version", "alias", "estimator", "until", *columns)
        for entry in own:
            metrics = [column(entry) for column in columns.values()]
            until = (entry["trained_until"] or "-")[:10]
            until += "" if entry.get("reproducible", True) else ", its telemetry deleted"
            aliases = ", ".join(entry["aliases"]) or "-"
            estimator = entry["estimator"] or "-"
            estimator += f", refit of {entry['refit_of']}" if "refit_of" in entry else ""
            table.add_row(str(entry["version"]), aliases, estimator, until, *metrics)
        parts += [Text(str(model), style="bold"), table]
    return Group(*parts)


def _train(result: "TrainResult") -> Group:
    role = ", the champion" if result.champion else "; the champion stays (see `forewarn models list`)"
    if result.without_champion:
        role = ", not the champion"
    head = Text(f"{result.model_name} version {result.version}", style="bold")
    head.append(f" by {result.estimator}{role}", style="not bold")
    samples = f"trained on {result.n_train:,} samples until {result.clock.instant(result.trained_until)}, "
    samples += "\n".join([f"tested on {result.n_test:,}", *result.notes, ""])
    if result.threshold is not None:
        is_life = "rmse_capped" in result.metrics
        threshold = result.clock.amount(result.threshold, ".3g") if is_life else f"{result.threshold:.3g}"
        samples += f"threshold {threshold}: {result.threshold_reason}\n"
    if result.counted is not None:
        start, end = map(result.clock.instant, result.counted)
        samples += f"alarms, failures to announce and costs: decisions of {start} to {end}, whose claims have matured\n"
    parts: list[RenderableType] = [
        head,
        Text(samples),
        metrics_table(result.metrics, result.condition_unit, result.clock),
    ]
    if result.by_plant:
        parts += [Text("\neach plant by a model of the others"), _plants(result)]
    parts += data_renderers.unmatched_lines(result.unmatched)
    if result.without_champion:
        parts.append(Text(f"\nIt did not become the champion. {result.champion_reason}", style="yellow"))
        parts.append(Text("`forewarn models promote VERSION --reason ...` makes it the champion all the same."))
    elif result.champion_reason.startswith("Promoted by request"):
        parts.append(Text(f"\n{result.champion_reason}", style="yellow"))
    return Group(*parts)


def _plants(result: "TrainResult") -> RenderableType:
    columns = next(shown for name, shown in _PLANT_METRICS.items() if name in result.metrics)
    table = column_table("plant", *columns)
    for plant, metrics in {**result.by_plant, "all": result.metrics}.items():
        table.add_row(plant, *(column(metrics) for column in columns.values()))
    return table


def _reproduction(result: "Reproduction") -> Group:
    head = Text(f"{result.model} version {result.version}, trained again: ")
    head.append_text(yes_or_no(result.same, "the same", "different"))
    difference = "bit for bit" if result.same else f"the largest difference is {result.max_abs_difference:.3g}"
    head.append(f" predictions ({result.n_predictions:,} compared, {difference})")
    model = "the same model, bit for bit" if result.same_model else "another model"
    digest = f"digest {result.digest_before[:16]} then, {result.digest_after[:16]} now; {model}"
    return Group(head, Text(digest, style="dim"), *(Text(f"- {note}") for note in result.notes))


def _promoted(result: "Promoted") -> Text:
    previous = "" if result.from_version is None else f", in place of version {result.from_version}"
    verb = "is the champion again" if result.evidence.get("rollback") else "is the champion now"
    head = Text(f"{result.model_name}: version {result.to_version} {verb}{previous}\n")
    head.append(f"{result.reason} ({result.actor}, {format_minute(result.at)})", style="dim")
    for sentence in result.evidence.get("promise", {}).get("sentences", ()):
        head.append(f"\n- {sentence}")
    return head


def _refitted_promotion(result: "RefittedPromotion") -> Group:
    return Group(_promoted(result.promoted), *(Text(f"- {reason}") for reason in result.refit.reasons))


def _score(result: "ScoreResult") -> Group:
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
    if held_back:
        lines.append(f"alarms held back at random, which nobody is to act on (policy.hold_back): {held_back:,}")
    if result.fail_later:
        lines.append(
            f"with a failure stored for a later cycle than that, which is not known there: {result.fail_later:,}"
        )
    return Group(Text(head), alerts, *(Text(line, style="dim") for line in lines))


def _audit_list(result: "AuditList") -> Group:
    if result.assets.empty:
        return Group(Text(f"No asset of {result.model_name} is without an alert on {result.drawn_at:%Y-%m-%d}."))
    table = column_table("asset", "plant", "probability")
    for row in result.assets.to_dict("records"):
        table.add_row(row["asset"], row["stratum"] or "-", f"{row['probability']:.3f}")
    hint = "Inspect these, and report each work order with prompted_by = audit and its finding."
    return Group(table, Text(hint, style="dim"))


def _miss_estimate(result: "MissEstimate") -> Text:
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


def _explanation(result: "Explanation") -> Group:
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


def _monitor(result: "MonitorResult") -> Group:
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


def _figures(result: "FiguresResult") -> Group:
    from pipelines.figures.champion_figures import figure_rows

    head = Text(f"{result.model_name} version {result.model_version} at {format_minute(result.now)}")
    table = column_table("", "seen", "in the evaluation")
    for row in figure_rows(result):
        table.add_row(*row)
    reasons = (Text(f"- {sentence}") for sentence in result.reasons)
    return Group(head, *reasons, Text(), table, Text(f"report: {result.report}"))


def _retrain(result: "RetrainResult") -> Group:
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


def _flow(result: "FlowResult") -> Group:
    """Render what the flow returned of each model, or of each file."""
    whole = result.result if isinstance(result.result, dict) else {}
    returned = whole.get("files", result.result)
    entries = returned if isinstance(returned, list) else [returned]
    also = data_renderers.waiting(whole.get("waiting", ()))
    also += [Text(sentence, style="yellow") for sentence in whole.get("unmatched", {}).get("sentences", ())]
    if not entries:
        return Group(Text(f"{result.flow}: there was nothing to do."), *also)
    return Group(*(key_value_table({"flow": result.flow, **entry}) for entry in entries), *also)


def _shadow(report: "ShadowReport") -> Group:
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


def _backtest(result: "BacktestResult") -> RenderableType:
    from pipelines.backtesting.backtest_table import render_table

    return render_table(result)


_HOLDOUT_SCORES: Mapping[str, Callable[[Any], str]] = {
    "cost": lambda score: f"{score.cost:,.0f}",
    "failures missed": lambda score: f"{score.missed.count} of {score.missed.of:g}",
    "false alarms": lambda score: (
        f"{score.false_episodes.count}, {_number(score.false_episodes.value)} per asset-month"
    ),
}
_FAILURE_METRICS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "F1": lambda entry: format_metric(entry, "f1", ".3f"),
    "PR AUC": lambda entry: format_metric(entry, "pr_auc", ".3f"),
    "caught": lambda entry: (
        f"{format_metric(entry, 'failures_caught', '.0f')} of {format_metric(entry, 'failures_total', '.0f')}"
    ),
    "cost": lambda entry: format_metric(entry, "expected_cost", ",.0f"),
}
_LIFE_METRICS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "RMSE capped": lambda entry: format_metric(entry, "rmse_capped", ".2f"),
    "not capped": lambda entry: format_metric(entry, "rmse_uncapped", ".2f"),
}
_PLANT_METRICS: Mapping[str, Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "rmse_capped": {**_LIFE_METRICS, "intervals hold": lambda entry: format_metric(entry, "interval_coverage", ".1%")},
    "rmse": {
        "RMSE": lambda entry: format_metric(entry, "rmse", ".4g"),
        "intervals hold": lambda entry: format_metric(entry, "interval_coverage", ".1%"),
    },
    "f1": {
        **_FAILURE_METRICS,
        "base rate": lambda entry: format_metric(entry, "base_rate", ".3f"),
        "slope": lambda entry: format_metric(entry, "calibration_slope", ".2f"),
    },
}
_RENDERERS: Mapping[str, Callable[[Any], RenderableType]] = {
    "data_contracts.validation.contract_words:ContractWords": data_renderers.contract,
    "data_contracts.validation.report:Report": data_renderers.checks,
    "data_contracts.ingestion.ingest:IngestResult": data_renderers.ingest,
    "data_contracts.ingestion.quarantine:QuarantineReplay": data_renderers.replay,
    "pipelines.importers.batch:ImportResult": data_renderers.imported_tables,
    "pipelines.importers.inferred_contract:InferredContract": data_renderers.inferred,
    "pipelines.importers.twins.comparison:TwinComparison": twin_renderers.compared,
    "pipelines.importers.twins.import_twins:TwinImport": twin_renderers.imported,
    "pipelines.flows.schedules:FlowResult": _flow,
    "pipelines.jobs.data_report:DescribedData": data_renderers.described,
    "pipelines.jobs.data_report:ImportedData": data_renderers.imported,
    "pipelines.jobs.ingest:CheckedFiles": data_renderers.checked,
    "pipelines.jobs.ingest:InboxResult": data_renderers.inbox,
    "pipelines.jobs.ingest:IngestedFiles": data_renderers.ingested,
    "pipelines.jobs.audits:AuditList": _audit_list,
    "pipelines.jobs.audits:MissEstimate": _miss_estimate,
    "pipelines.jobs.train:TrainResult": _train,
    "pipelines.jobs.shadow:ShadowReport": _shadow,
    "models.registry.reproduce:Reproduction": _reproduction,
    "models.registry.promotion:Promoted": _promoted,
    "pipelines.jobs.score:ScoreResult": _score,
    "pipelines.jobs.why:Explanation": _explanation,
    "pipelines.figures.champion_figures:FiguresResult": _figures,
    "pipelines.jobs.monitor:MonitorResult": _monitor,
    "pipelines.retraining.result:RetrainResult": _retrain,
    "pipelines.retraining.by_hand:RefittedPromotion": _refitted_promotion,
    "pipelines.backtesting.backtest_result:BacktestResult": _backtest,
}


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
