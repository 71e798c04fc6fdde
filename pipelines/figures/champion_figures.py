"""A champion watched by figures alone: its predictions beside what came later, where no drift can be decided on."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.workspace import Workspace
from features.clock import TIME, Clock
from models.monitoring.drift import ReferenceRates
from models.monitoring.interval_coverage import IntervalCoverage
from models.outcomes.error_rates import ErrorRates, as_json
from models.registry.registry import Registry
from pipelines.evidence.champion import MonitoredModel
from pipelines.figures.interval_samples import ComparedIntervals, compare_intervals
from pipelines.figures.measured_later import MeasuredLater

_KEPT = (
    *("rmse", "rmse_low", "rmse_high", "mae", "rmse_mean", "rmse_capped", "rmse_capped_low", "rmse_capped_high"),
    *("interval_coverage", "interval_coverage_low", "interval_coverage_high"),
)
NO_VERDICT = "none"


@dataclass(frozen=True)
class FiguresResult:
    """What came of a champion's predictions, beside the figures of its evaluation; nothing is decided on it."""

    model_name: str
    model_version: int
    now: pd.Timestamp
    target: str
    why: str  # why nothing is decided
    predicted: int  # predictions, one for each asset and cut-off
    compared: int  # those whose truth is known
    assets: int  # of these
    metrics: Mapping[str, float]  # of the numbers predicted; empty for failures
    evaluated: Mapping[str, float]  # the same figures of the evaluation
    rates: ErrorRates | None  # of its alarms; None without any
    promise: ReferenceRates
    report: Path
    unit: str | None = None  # of a condition's value
    clock: Clock = TIME
    intervals: ComparedIntervals | None = None  # around predicted numbers; None of a version without them
    coverage: IntervalCoverage | None = None  # of the intervals that were answered; None without any

    @property
    def decision(self) -> str:
        """Nothing is decided."""
        return NO_VERDICT

    @property
    def reasons(self) -> tuple[str, ...]:
        """Say why nothing is decided, and on what one may decide oneself."""
        return tuple(_reasons(self))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; the keys of a monitored champion where they are the same."""
        return {
            "model_name": self.model_name,
            "model_version": self.model_version,
            "now": self.now.isoformat(),
            "decision": self.decision,
            "reasons": list(self.reasons),
            "target": self.target,
            "predicted": self.predicted,
            "compared": self.compared,
            "assets": self.assets,
            "metrics": as_json(dict(self.metrics)),
            "evaluated": as_json(dict(self.evaluated)),
            "unit": self.unit,
            "rates": None if self.rates is None else self.rates.to_dict(),
            "promise": as_json(asdict(self.promise)),
            "interval_coverage": None if self.coverage is None else self.coverage.to_dict(),
            **({} if self.clock == TIME else {"clock": self.clock.name}),
            "probation": None,
            "report": str(self.report),
        }


def _reasons(result: FiguresResult) -> Iterator[str]:
    yield f"No drift is decided on: {result.why}."
    if not result.compared:
        yield f"Of {result.predicted:,} predictions none can be compared with what came later yet."
        return
    yield f"{result.compared:,} of {result.predicted:,} predictions, of {result.assets:,} assets, can be compared."
    if "rmse" in result.metrics:
        yield "Judge by the RMSE beside that of the evaluation; `forewarn train` trains another version."


def champion_figures(
    workspace: Workspace, champion: MonitoredModel, later: MeasuredLater, *, now: pd.Timestamp, why: str
) -> FiguresResult:
    """Set a champion's predictions, compared with what came later, beside the figures of its evaluation."""
    model, artifact = champion.model, champion.model.artifact
    evaluated = Registry(workspace).metrics(model.name, model.version)
    intervals = compare_intervals(workspace, champion, later.pairs)
    held = {} if intervals is None or intervals.later is None else intervals.later.figures
    return FiguresResult(
        model_name=model.name,
        model_version=model.version,
        now=now,
        target=artifact.target,
        why=why,
        predicted=later.predicted,
        compared=later.compared,
        assets=later.assets,
        metrics=_kept({**later.metrics, **held}),
        evaluated=_kept(evaluated) if artifact.target != "failure" else {},
        rates=later.rates,
        promise=ReferenceRates.of(model.reference, f"the evaluation of version {model.version}"),
        report=workspace.reports / f"{model.name}.html",
        unit=None if artifact.about is None else artifact.about.unit,
        clock=artifact.clock,
        intervals=intervals,
        coverage=later.coverage,
    )


def _kept(metrics: Mapping[str, float]) -> dict[str, float]:
    names = (*_KEPT, *(name for name in metrics if name.startswith("interval_")))
    return {name: float(metrics[name]) for name in names if name in metrics and metrics[name] == metrics[name]}


def figure_rows(result: FiguresResult) -> Iterator[tuple[str, str, str]]:
    """Yield each figure with what was seen and what the evaluation had, as text."""
    seen, evaluated = result.metrics, result.evaluated
    if "rmse" in {**seen, **evaluated}:
        of = f" {result.unit}" if result.unit else ""
        for name, text in (("rmse", "RMSE"), ("mae", "mean absolute error")):
            yield text, _number(seen, name, of), _number(evaluated, name, of)
    elif "rmse_capped" in {**seen, **evaluated}:
        unit = result.clock.unit([seen.get("rmse_capped", 0.0), evaluated.get("rmse_capped", 0.0)])
        scaled = [{name: value / unit.hours for name, value in each.items()} for each in (seen, evaluated)]
        own, promised = (_number(figures, "rmse_capped", f" {unit.plural}") for figures in scaled)
        yield "RMSE, capped", own, promised
    if "interval_level" in evaluated:
        yield f"{evaluated['interval_level']:.0%} intervals hold", _held(seen), _held(evaluated)
    if result.rates is not None:
        missed, false = result.rates.missed, result.rates.false_episodes
        yield "failures missed", f"{missed.count} of {missed.of:g}", _share(result.promise.missed.value)
        per = f"false alarms per {result.clock.asset_month}"
        yield per, f"{false.value:.2f} ({false.count} in {false.of:.1f})", _plain(result.promise.false_episodes.value)


def _number(figures: Mapping[str, float], name: str, unit: str) -> str:
    if name not in figures:
        return "not known yet"
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    interval = "" if low is None or high is None else f" ({low:.4g} to {high:.4g})"
    return f"{figures[name]:.4g}{unit}{interval}"


def _held(figures: Mapping[str, float]) -> str:
    """Write the coverage over all predictions, which is what can be compared with a later one's."""
    name = "interval_coverage_over_life" if "interval_coverage_over_life" in figures else "interval_coverage"
    if name not in figures:
        return "not known yet"
    return _number({key: 100 * value for key, value in figures.items()}, name, "%")


def _share(value: float) -> str:
    return f"{value:.1%}" if math.isfinite(value) else "nothing"


def _plain(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "nothing"
