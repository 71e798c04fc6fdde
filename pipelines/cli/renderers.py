"""Results rendered for a terminal of eighty columns, by their class.

A result of a lower layer knows nothing of terminals, so its renderer stands here. A class is named by its import path,
so that showing one result imports nothing of the others.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.terminal.figures import draw_figures, figure, words
from pipelines.terminal.tables import facts

if TYPE_CHECKING:
    from data_contracts.ingestion.ingest import IngestResult
    from data_contracts.ingestion.quarantine import QuarantineReplay
    from data_contracts.validation.report import Report
    from models.outcomes.error_rates import Rate
    from models.registry.promotion import Promoted
    from models.registry.reproduce import Reproduction
    from pipelines.backtesting.backtest_result import BacktestResult
    from pipelines.jobs.ingest import InboxResult
    from pipelines.jobs.monitor import MonitorResult
    from pipelines.jobs.retrain import RetrainResult
    from pipelines.jobs.score import ScoreResult
    from pipelines.jobs.shadow import ShadowReport
    from pipelines.jobs.train import TrainResult
    from pipelines.jobs.why import Explanation

_SHOWN = 20


def render(result: Any) -> RenderableType:
    """Return what to print of a result: by its own ``__rich__``, its class's renderer, or as names and values."""
    if hasattr(result, "__rich__"):
        return result  # type: ignore[no-any-return] # it renders itself
    renderer = _RENDERERS.get(f"{type(result).__module__}:{type(result).__qualname__}")
    return facts(result.to_dict()) if renderer is None else renderer(result)


def checks(report: "Report") -> Group:
    """Draw what the checks of a batch found: the ones that failed, and how many passed.

    Parameters
    ----------
    report : Report
        The checks.

    Returns
    -------
    Group
        The drawing.
    """
    table = _table("check", "column", "rows", "refused", "why")
    for result in report.breaches:
        refused = "every row" if result.level == "batch" else "those rows"
        table.add_row(result.check, result.column or "-", f"{result.rows:,}", refused, result.detail)
    passed = len(report.results) - len(report.breaches)
    head = Text(f"{report.n_rows:,} {words('row', report.n_rows)}, the contract {report.contract} {report.version} is ")
    head.append_text(_verdict(report.passed, "kept", "broken"))
    head.append(f": {passed} of {len(report.results)} checks passed")
    return Group(head, *([table] if report.breaches else []))


def versions(entries: Sequence[Mapping[str, Any]]) -> Group:
    """Draw registered versions, model by model.

    Parameters
    ----------
    entries : Sequence of Mapping
        As the registry lists them.

    Returns
    -------
    Group
        The drawing.
    """
    if not entries:
        return Group(Text("No model is registered. Train one with `forewarn train`."))
    parts: list[RenderableType] = []
    for model in dict.fromkeys(entry["model"] for entry in entries):
        own = [entry for entry in entries if entry["model"] == model]
        life = any("rmse_capped" in entry for entry in own)
        table = _table("version", "alias", "estimator", "until", *(_LIFE if life else _FAILURE))
        for entry in own:
            figures = [draw(entry) for draw in (_LIFE if life else _FAILURE).values()]
            until = (entry["trained_until"] or "-")[:10]
            aliases = ", ".join(entry["aliases"]) or "-"
            table.add_row(str(entry["version"]), aliases, entry["estimator"] or "-", until, *figures)
        parts += [Text(str(model), style="bold"), table]
    return Group(*parts)


def refused(frame: pd.DataFrame) -> Group:
    """Draw rows in quarantine: how many for each reason, then the first of them.

    Parameters
    ----------
    frame : pd.DataFrame
        As `data_contracts.ingestion.quarantine.list_rows` returns them.

    Returns
    -------
    Group
        The drawing.
    """
    if frame.empty:
        return Group(Text("No such row is in quarantine."))
    reasons = frame.explode("reasons")[["contract", "reasons"]].value_counts().reset_index()
    counts = _table("rows", "contract", "why")
    for contract, reason, count in reasons.head(_SHOWN).itertuples(index=False, name=None):
        counts.add_row(f"{count:,}", contract, reason)
    first = _table("batch", "asset", "event time", "why")
    for _, entry in frame.head(_SHOWN).iterrows():
        row = json.loads(entry["row"])
        told = [str(row.get(name) or "-")[:19] for name in ("asset", "event_time")]
        first.add_row(entry["batch_id"][:8], *told, "; ".join(entry["reasons"]))
    head = f"\n{len(frame):,} {words('row', len(frame))} in quarantine; the first {min(_SHOWN, len(frame))}:"
    return Group(counts, Text(head), first)


def _intake(intake: "IngestResult") -> Group:
    if intake.already:
        found = f"These {intake.rows:,} rows were taken in before, as batch {intake.batch_id}. Nothing was done."
        return Group(Text(found))
    head = Text(f"{intake.accepted:,} of {intake.rows:,} rows stored under {intake.contract}")
    if intake.quarantined:
        head.append(f", {intake.quarantined:,} in quarantine", style="yellow")
    broken = () if intake.report is None or intake.report.passed else (checks(intake.report),)
    look = f"See them with `forewarn quarantine list --batch {intake.batch_id}`."
    return Group(head, Text(f"batch {intake.batch_id}", style="dim"), *broken, *([Text(look)] if broken else []))


def _replay(replay: "QuarantineReplay") -> Group:
    head = Text(f"{replay.accepted:,} of {replay.rows:,} rows stored under {replay.contract}, ")
    head.append(f"{replay.refused:,} still in quarantine", style="yellow" if replay.refused else "")
    head.append(f", {replay.already:,} were stored before" if replay.already else "")
    counts = pd.Series([reason for found in replay.reasons.values() for reason in found], dtype="str").value_counts()
    table = _table("rows", "why")
    for reason, count in counts.head(_SHOWN).items():
        table.add_row(f"{count:,}", str(reason))
    return Group(head, *([table] if len(counts) else []))


def _inbox(result: "InboxResult") -> Group:
    table = _table("file", "contract", "stored", "quarantined", "")
    for entry in result.files:
        said = entry.error or ("taken in before" if entry.already else "")
        table.add_row(entry.file.name, entry.contract, f"{entry.accepted:,}", f"{entry.quarantined:,}", said)
    return Group(table if result.files else Text("The inbox holds no file."))


def _train(result: "TrainResult") -> Group:
    role = ", the champion" if result.champion else "; the champion stays (see `forewarn models list`)"
    head = Text(f"{result.model_name} version {result.version}", style="bold")
    head.append(f" by {result.estimator}{role}", style="not bold")
    learned = f"learned from {result.n_train:,} samples until {_minute(result.trained_until)}, "
    return Group(head, Text(learned + f"judged on {result.n_test:,}\n"), draw_figures(result.metrics))


def _reproduction(result: "Reproduction") -> Group:
    head = Text(f"{result.model} version {result.version}, trained again: ")
    head.append_text(_verdict(result.same, "the same", "different"))
    told = "bit for bit" if result.same else f"the largest difference is {result.max_abs_difference:.3g}"
    head.append(f" predictions ({result.n_predictions:,} compared, {told})")
    model = "the same model, bit for bit" if result.same_model else "another model"
    digest = f"digest {result.digest_before[:16]} then, {result.digest_after[:16]} now; {model}"
    return Group(head, Text(digest, style="dim"), *(Text(f"- {note}") for note in result.notes))


def _promoted(result: "Promoted") -> Text:
    before = "" if result.from_version is None else f", in place of version {result.from_version}"
    verb = "is the champion again" if result.evidence.get("rollback") else "is the champion now"
    head = Text(f"{result.model_name}: version {result.to_version} {verb}{before}\n")
    return head.append(f"{result.reason} ({result.actor}, {_minute(result.at)})", style="dim")


def _score(result: "ScoreResult") -> Group:
    head = f"{result.model_name} version {result.model_version}, as of {_minute(result.as_of)}: "
    told = f"{result.scored:,} {words('asset', result.scored)} scored, {result.stored:,} predictions stored"
    told += "" if result.stored else " (they were there before)"
    over = Text(f"over the threshold ({len(result.alerts):,}): ") + Text(_some(result.alerts), style="yellow")
    mute = f"without enough telemetry in the window ({len(result.silent):,}): {_some(result.silent)}"
    return Group(Text(head + told), over, *([Text(mute, style="dim")] if result.silent else []))


def _answer(result: "Explanation") -> Group:
    parts: list[RenderableType] = [Text(result.question, style="bold")]
    parts.append(Text(f"{_minute(result.at)}: {result.decision}"))
    chapters = {
        "What was seen": result.seen,
        "Which test, and how sure": result.tests,
        "What held it back": result.held,
        "What would change the answer": result.change,
    }
    for title, sentences in chapters.items():
        if sentences:
            parts += [Text(), Text(title, style="bold"), *(Text(f"- {sentence}") for sentence in sentences)]
    return Group(*parts)


def _monitor(result: "MonitorResult") -> Group:
    head = Text(f"{result.model_name} version {result.model_version} at {_minute(result.now)}: ")
    head.append(result.decision, style="green" if result.decision == "hold" else "yellow")
    rates = result.rates
    table = _table("outcomes that have matured", "seen", f"{rates.confidence:.0%} interval", "promised")
    table.add_row("failures missed", *_share(rates.missed), _percent(result.promise.missed.value))
    table.add_row(
        "false alarms per asset-month", *_frequency(rates.false_episodes), _number(result.promise.false_episodes.value)
    )
    table.add_row("decisions: failures not foretold", *_share(rates.decision_fn), "")
    table.add_row("decisions: alerts in vain", *_share(rates.decision_fp), "")
    none = rates.start >= rates.end
    span = (
        f"no decision since {_minute(rates.start)} has matured; "
        if none
        else f"decisions from {_minute(rates.start)} to {_minute(rates.end)}; "
    )
    span += f"{rates.caught} caught, {rates.prevented} prevented, {rates.uncovered} uncovered"
    noticed = [f"noticed: {sentence}" for sentence in (*result.diagnosis.sentences, *result.warnings)]
    if result.probation is not None:
        noticed += [f"on probation: {sentence}" for sentence in result.probation.reasons]
    return Group(
        head, *(Text(f"- {sentence}") for sentence in (*result.reasons, *noticed)), Text(), table,
        Text(span, style="dim"), Text(f"report: {result.report}"),
    )  # fmt: skip


def _retrain(result: "RetrainResult") -> Group:
    whose = "retraining" if result.challenger_version is None else f"version {result.challenger_version}"
    head = Text(f"{result.model_name}: {whose} ")
    head.append(result.decision, style="green" if result.decision == "promoted" else "yellow")
    beside = ", compared with the champion" if result.challenger_version is not None else "; the champion stays"
    head.append(f"{beside}, version {result.champion_version}")
    compared = result.comparison
    table = _table("", f"champion v{result.champion_version}", f"challenger v{result.challenger_version}")
    sides = (compared.champion, compared.challenger)
    if all(sides):
        for name, draw in _STANDINGS.items():
            table.add_row(name, *(draw(side) for side in sides))
    span = f"both on {_minute(compared.start)} to {_minute(compared.end)}, {compared.events} events"
    reasons = [Text(f"- {reason}") for reason in result.reasons]
    return Group(head, *reasons, Text(), *([table] if all(sides) else []), Text(span, style="dim"))


def _shadow(report: "ShadowReport") -> Group:
    if not report.versions:
        return Group(Text(f"No version of {report.model_name} has scored in the shadow yet."))
    parts: list[RenderableType] = []
    for version in report.versions:
        answered_by = ", ".join(f"v{number}" for number in version.answered_by)
        head = Text(f"{report.model_name} version {version.version} in the shadow of {answered_by}", style="bold")
        span = f"{version.compared:,} predictions, {_minute(version.start)} to {_minute(version.end)}; "
        alerts = f"both alert {version.alerts_of_both:,}, only the answer {version.alerts_answered_only:,}, "
        alerts += f"only the shadow {version.alerts_shadow_only:,}; {version.agreement:.1%} agree"
        table = _table("outcomes that have matured", "answered", "shadow")
        sides = (version.answered, version.shadow)
        table.add_row("failures missed", *(_share(side.missed)[0] for side in sides))
        table.add_row("false alarms per asset-month", *(_frequency(side.false_episodes)[0] for side in sides))
        parts += [head, Text(span + alerts, style="dim"), table]
    return Group(*parts)


def _backtest(result: "BacktestResult") -> RenderableType:
    from pipelines.backtesting.backtest_table import render_table

    return render_table(result)


_STANDINGS: Mapping[str, Callable[[Any], str]] = {
    "cost": lambda side: f"{side.cost:,.0f}",
    "failures missed": lambda side: f"{side.missed.count} of {side.missed.of:g}",
    "false alarms": lambda side: f"{side.false_episodes.count}, {_number(side.false_episodes.value)} per asset-month",
}
_FAILURE: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "F1": lambda entry: figure(entry, "f1", ".3f"),
    "PR AUC": lambda entry: figure(entry, "pr_auc", ".3f"),
    "caught": lambda entry: f"{figure(entry, 'failures_caught', '.0f')} of {figure(entry, 'failures_total', '.0f')}",
    "cost": lambda entry: figure(entry, "expected_cost", ",.0f"),
}
_LIFE: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "RMSE capped": lambda entry: figure(entry, "rmse_capped", ".2f"),
    "not capped": lambda entry: figure(entry, "rmse_uncapped", ".2f"),
}
_RENDERERS: Mapping[str, Callable[[Any], RenderableType]] = {
    "data_contracts.validation.report:Report": checks,
    "data_contracts.ingestion.ingest:IngestResult": _intake,
    "data_contracts.ingestion.quarantine:QuarantineReplay": _replay,
    "pipelines.jobs.ingest:InboxResult": _inbox,
    "pipelines.jobs.train:TrainResult": _train,
    "pipelines.jobs.shadow:ShadowReport": _shadow,
    "models.registry.reproduce:Reproduction": _reproduction,
    "models.registry.promotion:Promoted": _promoted,
    "pipelines.jobs.score:ScoreResult": _score,
    "pipelines.jobs.why:Explanation": _answer,
    "pipelines.jobs.monitor:MonitorResult": _monitor,
    "pipelines.jobs.retrain:RetrainResult": _retrain,
    "pipelines.backtesting.backtest_result:BacktestResult": _backtest,
}


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _verdict(good: bool, yes: str, no: str) -> Text:
    return Text(yes, style="green") if good else Text(no, style="bold red")


def _minute(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d %H:%M}"


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "none") + more


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
