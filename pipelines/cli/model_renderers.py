"""Renderers of trainings, versions and promotions."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.text import Text

from pipelines.cli import data_renderers
from pipelines.terminal.metrics import format_metric, metrics_table
from pipelines.terminal.tables import column_table, format_minute, yes_or_no

if TYPE_CHECKING:
    from models.canaries.report import LeakReport
    from models.registry.promotion import Promoted
    from models.registry.reproduce import Reproduction
    from pipelines.jobs.train import TrainResult
    from pipelines.retraining.by_hand import RefittedPromotion
    from pipelines.retraining.own_baselines import OwnBaselinesResult

_MOST_WAITING = 20


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
            estimator += f", signed by {entry['signed_by']}" if "signed_by" in entry else ""
            table.add_row(str(entry["version"]), aliases, estimator, until, *metrics)
        parts += [Text(str(model), style="bold"), table]
    return Group(*parts)


def train(result: "TrainResult") -> Group:
    """Render a training: its samples, threshold and metrics."""
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
    parts += leak_lines(result.leaks)
    parts += data_renderers.unmatched_lines(result.unmatched)
    if result.without_champion:
        parts.append(Text(f"\nIt did not become the champion. {result.champion_reason}", style="yellow"))
        parts.append(Text("`forewarn models promote VERSION --reason ...` makes it the champion all the same."))
    elif result.champion_reason.startswith("Promoted by request"):
        parts.append(Text(f"\n{result.champion_reason}", style="yellow"))
    return Group(*parts)


def leak_lines(report: "LeakReport") -> list[RenderableType]:
    """Render what the canaries found: the verdict, coloured where it is none, and the figures."""
    verdict, *figures = report.sentences
    style = "red" if report.leaks else "yellow" if report.findings else "dim"
    return [Text(f"\n{verdict}", style=style), *(Text(line, style="dim") for line in figures)]


def own_baselines(result: "OwnBaselinesResult") -> Group:
    """Render which assets have a baseline of their own, and why the others do not."""
    name = f"{result.model_name} version {result.from_version}"
    if result.version is None:
        head = f"{name} stays: no asset is due for a baseline of its own"
    else:
        new = ", ".join(result.handed_over) or "none"
        head = f"{result.model_name} version {result.version} takes the place of version {result.from_version}; "
        head += f"measured by a baseline of their own from now on: {new}"
    lines = [f"{asset}: {why}" for asset, why in list(result.waiting.items())[:_MOST_WAITING]]
    if len(result.waiting) > _MOST_WAITING:
        lines.append(f"and {len(result.waiting) - _MOST_WAITING:,} more")
    if result.dropped:
        lines.append(f"dropped, as their machines were replaced: {', '.join(result.dropped)}")
    return Group(Text(head), *(Text(line, style="dim") for line in lines))


def _plants(result: "TrainResult") -> RenderableType:
    columns = next(shown for name, shown in _PLANT_METRICS.items() if name in result.metrics)
    table = column_table("plant", *columns)
    for plant, metrics in {**result.by_plant, "all": result.metrics}.items():
        table.add_row(plant, *(column(metrics) for column in columns.values()))
    return table


def reproduction(result: "Reproduction") -> Group:
    """Render how far a version trained again agrees."""
    head = Text(f"{result.model} version {result.version}, trained again: ")
    head.append_text(yes_or_no(result.same, "the same", "different"))
    difference = "bit for bit" if result.same else f"the largest difference is {result.max_abs_difference:.3g}"
    head.append(f" predictions ({result.n_predictions:,} compared, {difference})")
    model = "the same model, bit for bit" if result.same_model else "another model"
    digest = f"digest {result.digest_before[:16]} then, {result.digest_after[:16]} now; {model}"
    return Group(head, Text(digest, style="dim"), *(Text(f"- {note}") for note in result.notes))


def promoted(result: "Promoted") -> Text:
    """Render a promotion."""
    previous = "" if result.from_version is None else f", in place of version {result.from_version}"
    verb = "is the champion again" if result.evidence.get("rollback") else "is the champion now"
    head = Text(f"{result.model_name}: version {result.to_version} {verb}{previous}\n")
    head.append(f"{result.reason} ({result.actor}, {format_minute(result.at)})", style="dim")
    for sentence in result.evidence.get("promise", {}).get("sentences", ()):
        head.append(f"\n- {sentence}")
    return head


def refitted_promotion(result: "RefittedPromotion") -> Group:
    """Render a promotion with its refit."""
    return Group(promoted(result.promoted), *(Text(f"- {reason}") for reason in result.refit.reasons))


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
