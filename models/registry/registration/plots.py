"""Plots of a trained model, for MLflow and the model card."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

from features.clock import Clock
from models.assessment.reliability import ReliabilityBin
from models.assessment.thresholds import ChosenThreshold
from models.conformal.coverage import HIGH, LOW, StageCoverage
from models.labels.labels import LabelState
from models.registry.registration.explanation_plots import draw_explanations, wrapped
from models.training.curves.learning_curves import LearningCurve
from models.training.training import Evaluated, Trained, coverage_of_stages, reliability_of_test

Draw = Callable[[Any], None]
"""Draws into the axes it is given."""

_SIZE = (6.0, 4.0)
_SHOWN_COLUMNS = 20


def draw_plots(trained: Evaluated, folder: Path) -> tuple[Path, ...]:
    """Draw the `plots` of a model, and return the PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, draw in plots(trained).items():
        # Figure without pyplot: no global state, and no display is needed.
        figure = draw_plot(Figure(figsize=_SIZE), name, draw)
        files.append(folder / f"{name}.png")
        # Names of columns are of any length, and none may be cut.
        figure.savefig(files[-1], dpi=100, bbox_inches="tight" if name == "importances" else None)
    return (*files, *(draw_explanations(trained, folder) if isinstance(trained, Trained) else ()))


def plots(trained: Evaluated) -> dict[str, Draw]:
    """Return what draws the plots for the model's target, by name.

    For failures: precision-recall, calibration, lead times and threshold. For remaining life: predicted against true,
    error over life, and intervals over life. For a condition: predicted against measured. For both, how often intervals
    hold at each stage. Importances where the learner provides them; after a training, the learning curve of
    a booster, and what other budgets of time would give.
    """
    drawn = _PLOTS[trained.artifact.target](trained)
    if len(trained.importances):
        drawn["importances"] = lambda axes: _importances(axes, trained.importances)
    if isinstance(trained, Trained) and (curve := trained.learning_curve) is not None:
        drawn["learning_curve"] = lambda axes: _learning_curve(axes, curve)
    if isinstance(trained, Trained) and trained.budget_curve:
        drawn["budget"] = lambda axes: _budget(axes, trained)
    return drawn


def draw_plot(figure: Figure, name: str, draw: Draw) -> Figure:
    """Draw one of the `plots` into an empty figure."""
    # Margins by hand: a layout engine draws every figure twice.
    figure.subplots_adjust(left=0.48 if name == "importances" else 0.13, bottom=0.13, right=0.97, top=0.92)
    axes = figure.subplots()
    draw(axes)
    axes.minorticks_off()
    return figure


def _failure_plots(trained: Evaluated) -> dict[str, Draw]:
    predictions = trained.evaluation.predictions
    labelled = predictions[predictions["state"].isin([LabelState.POSITIVE, LabelState.NEGATIVE])]
    truth, score = (labelled["state"] == LabelState.POSITIVE).to_numpy(), labelled["prediction"].to_numpy()
    plots: dict[str, Draw] = {}
    if truth.any():
        plots["precision_recall"] = lambda axes: _precision_recall(axes, truth, score, trained.artifact.threshold)
        plots["calibration"] = lambda axes: _calibration(axes, reliability_of_test(trained), trained.evaluation.metrics)
    if len(trained.evaluation.lead_times_h):
        plots["lead_times"] = lambda axes: _lead_times(axes, trained.evaluation.lead_times_h, trained.artifact.clock)
    if trained.threshold is not None and len(trained.threshold.curve):
        chosen = trained.threshold
        plots["threshold"] = lambda axes: draw_threshold(axes, chosen)
    return plots


def _life_plots(trained: Evaluated) -> dict[str, Draw]:
    predictions = trained.evaluation.predictions
    labelled = predictions[predictions["remaining_life_h"].notna()]
    if labelled.empty:
        return {}
    unit, cap = trained.artifact.clock.unit(labelled["remaining_life_h"]), trained.artifact.cap
    limit = np.inf if cap is None else cap / pd.Timedelta(hours=1) / unit.hours
    scaled = labelled[["remaining_life_h", "prediction"]] / unit.hours
    shown = labelled[["asset", "as_of"]].assign(life=scaled["remaining_life_h"], prediction=scaled["prediction"])
    plots = {
        "predicted_and_true": lambda axes: _predicted_and_true(
            axes, shown, trained.experiment.split.score_at, unit.symbol
        ),
        "error_over_life": lambda axes: _error_over_life(axes, shown, limit, unit.symbol),
    }
    if LOW in labelled:
        ends = labelled[[LOW, HIGH]].to_numpy() / unit.hours
        plots["intervals_over_life"] = lambda axes: _intervals_over_life(axes, shown, ends, limit, unit.symbol)
    return plots | _coverage_plot(trained, unit.symbol, unit.hours)


def _condition_plots(trained: Evaluated) -> dict[str, Draw]:
    predictions = trained.evaluation.predictions
    measured = predictions[predictions["condition"].notna()]
    unit = f" ({trained.condition_unit})" if trained.condition_unit else ""
    if measured.empty:
        return {}
    plots = {"predicted_and_true": lambda axes: _predicted_and_measured(axes, measured, unit)}
    return plots | _coverage_plot(trained, trained.condition_unit or "", 1.0)


def _coverage_plot(trained: Evaluated, unit: str, size: float) -> dict[str, Draw]:
    stages = [stage for stage in coverage_of_stages(trained) if stage.assets]
    if not stages:
        return {}
    level = trained.experiment.evaluation.interval_level
    return {"coverage_by_stage": lambda axes: _coverage_by_stage(axes, stages, level, unit, size)}


def _anomaly_plots(trained: Evaluated) -> dict[str, Draw]:
    leads = trained.evaluation.lead_times_h
    return {"lead_times": lambda axes: _lead_times(axes, leads, trained.artifact.clock)} if len(leads) else {}


_PLOTS = {
    "failure": _failure_plots,
    "remaining_life": _life_plots,
    "condition": _condition_plots,
    "anomaly": _anomaly_plots,
}


def _budget(axes: Any, trained: Trained) -> None:
    """Draw what each budget of time gives on samples out of fold, and the declared one."""
    curve, declared = trained.budget_curve, trained.experiment.features.budget
    axes.plot([1000 * point.cost_s for point in curve], [point.score for point in curve], "o-")
    for point in curve:
        place = (1000 * point.cost_s, point.score)
        axes.annotate(f"{point.n_columns:.0f}", place, (3, -9), textcoords="offset points", size=6)
    if declared is not None:
        axes.axvline(1000 * declared.total_seconds(), color="tab:red", linewidth=0.8, label="declared")
        axes.legend()
    axes.set_xscale("log")
    score = "average precision" if trained.artifact.target == "failure" else "root mean squared error"
    axes.set(xlabel="ms of features a prediction", ylabel=f"{score}, out of fold", title="Budget, with column counts")


def _precision_recall(axes: Any, truth: Any, score: Any, threshold: float | None) -> None:
    precision, recall, thresholds = precision_recall_curve(truth, score)
    axes.step(recall, precision, where="post")
    if threshold is not None:
        at = min(int(np.searchsorted(thresholds, threshold)), len(recall) - 1)
        axes.plot(recall[at], precision[at], "o", color="tab:red", label=f"threshold {threshold:.3g}")
        axes.legend()
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02), title="Precision and recall")


def _calibration(axes: Any, bins: Sequence[ReliabilityBin], figures: Mapping[str, float]) -> None:
    """Draw the reliability curve, and how many samples each of its points stands for."""
    slope, intercept = (figures.get(f"calibration_{name}", np.nan) for name in ("slope", "intercept"))
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    axes.plot(
        [each.predicted for each in bins],
        [each.observed for each in bins],
        "o-",
        label=f"slope {slope:.2f}, intercept {intercept:.2f}",
    )
    for each in bins:
        axes.annotate(f"{each.count:,}", (each.predicted, each.observed), (3, -9), textcoords="offset points", size=6)
    axes.legend(loc="upper left")
    axes.set(xlabel="predicted probability", ylabel="share that failed", title="Reliability, with sample counts")


def _lead_times(axes: Any, hours: Any, clock: Clock) -> None:
    unit = clock.unit(hours)
    axes.hist(np.asarray(hours) / unit.hours, bins=min(20, max(5, len(hours))))
    axes.set(xlabel=f"{unit.plural} between first timely alert and failure", ylabel="failures", title="Lead times")


def draw_threshold(axes: Any, chosen: ChosenThreshold) -> None:
    """Draw the costs that the threshold was chosen by, the least of them, and those that chance cannot tell from it."""
    curve, cheapest = chosen.curve, chosen.cheapest
    axes.plot(curve["threshold"], curve["cost"])
    close = curve[curve["close"]]
    axes.plot(close["threshold"], close["cost"], ".", markersize=3, label="within one standard error of the least")
    least = f"least: {cheapest['threshold']:.3g}"
    axes.plot(cheapest["threshold"], cheapest["cost"], "o", color="tab:green", label=least)
    axes.axvline(chosen.value, color="tab:red", label=f"chosen: {chosen.value:.3g}")
    axes.legend()
    axes.set(xlabel="threshold", ylabel="cost on validation samples", xscale="log", title="Cost by threshold")


def _learning_curve(axes: Any, curve: LearningCurve) -> None:
    axes.plot(curve.trees, curve.train, label="training samples")
    axes.plot(curve.trees, curve.validation, label="validation samples")
    axes.legend()
    axes.set(xlabel="trees", ylabel=curve.loss, title="Loss as trees were added, last fold")


def _importances(axes: Any, importances: "pd.Series[float]") -> None:
    shown = importances.head(_SHOWN_COLUMNS)[::-1]
    axes.barh([wrapped(name) for name in shown.index], shown.to_numpy())
    axes.tick_params(axis="y", labelsize=6)
    axes.set(xlabel="share", title="Importances")


def _predicted_and_true(axes: Any, labelled: pd.DataFrame, score_at: str, unit: str) -> None:
    shown = labelled.sort_values(["asset", "as_of"])
    shown = shown.drop_duplicates("asset", keep="last") if score_at == "last" else shown
    axes.scatter(shown["life"], shown["prediction"], s=8, alpha=0.6)
    largest = float(shown["life"].max())
    axes.plot([0, largest], [0, largest], color="grey", linewidth=0.8)
    axes.set(xlabel=f"true remaining life ({unit})", ylabel=f"predicted ({unit})", title="Predicted and true")


def _predicted_and_measured(axes: Any, measured: pd.DataFrame, unit: str) -> None:
    axes.scatter(measured["condition"], measured["prediction"], s=8, alpha=0.6)
    ends = [float(measured["condition"].min()), float(measured["condition"].max())]
    axes.plot(ends, ends, color="grey", linewidth=0.8)
    axes.set(xlabel=f"measured{unit}", ylabel=f"predicted{unit}", title="Predicted and measured")


def _error_over_life(axes: Any, labelled: pd.DataFrame, limit: float, unit: str) -> None:
    true = labelled["life"]
    error = labelled["prediction"] - true.clip(upper=limit)
    bins = pd.cut(true, 20)
    grouped = error.groupby(bins, observed=True)
    middle = [interval.mid for interval in grouped.mean().index]
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.fill_between(middle, grouped.quantile(0.1), grouped.quantile(0.9), alpha=0.3, label="10 % to 90 %")
    axes.plot(middle, grouped.mean(), label="mean")
    axes.invert_xaxis()
    axes.legend()
    axes.set(
        xlabel=f"true remaining life ({unit})", ylabel=f"predicted - true, capped ({unit})", title="Error over life"
    )


def _intervals_over_life(axes: Any, labelled: pd.DataFrame, ends: Any, limit: float, unit: str) -> None:
    """Draw the prediction and its interval of the asset that is followed for longest, and the truth."""
    own = (labelled["asset"] == labelled["asset"].value_counts().idxmax()).to_numpy()
    order = np.argsort(labelled["as_of"].to_numpy()[own])
    asset, (low, high) = labelled[own].iloc[order], ends[own][order].T
    axes.fill_between(asset["life"], low, high, alpha=0.3, step="mid", label="interval")
    axes.plot(asset["life"], asset["prediction"], label="predicted")
    axes.plot(asset["life"], asset["life"].clip(upper=limit), color="grey", linewidth=0.8, label="true")
    axes.invert_xaxis()
    axes.legend()
    name = str(asset["asset"].iloc[0]).replace("$", r"\$")
    axes.set(xlabel=f"true remaining life ({unit})", ylabel=f"predicted ({unit})", title=f"Intervals over life: {name}")


def _coverage_by_stage(axes: Any, stages: Sequence[StageCoverage], level: float, unit: str, size: float) -> None:
    numbers = np.arange(len(stages))
    axes.bar(numbers, [stage.coverage for stage in stages], width=0.6)
    axes.axhline(level, color="tab:red", label=f"wanted: {level:.0%}")
    names = [f"{stage.begin / size:.3g} to {stage.end / size:.3g}\n{stage.assets} assets" for stage in stages]
    axes.set_xticks(numbers, [name.replace("-inf to", "below").replace(" to inf", " or more") for name in names])
    axes.tick_params(axis="x", labelsize=6)
    axes.legend(loc="lower right")
    axes.set(
        xlabel=f"predicted ({unit})", ylabel="test samples held, by asset", ylim=(0, 1.02), title="Coverage by stage"
    )
