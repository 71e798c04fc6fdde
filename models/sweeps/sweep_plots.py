"""Plots of a search, for MLflow: the scores of its trials in their order, and what mattered."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from models.experiment.sweep_plan import SearchMetric
from models.sweeps.search_metrics import HIGHER_IS_BETTER
from models.sweeps.trials import Trial

_SIZE = (6.0, 4.0)
_SHOWN = 20


def draw_sweep(
    trials: Sequence[Trial],
    metric: SearchMetric,
    chosen: Trial | None,
    importances: Mapping[str, float],
    folder: Path,
) -> tuple[Path, ...]:
    """Draw the history of trials and the importances of keys, where there are any; return the PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [_save(_history(trials, metric, chosen), folder / "history.png")]
    if importances:
        files.append(_save(_importances(importances), folder / "importances.png"))
    return tuple(files)


def _history(trials: Sequence[Trial], metric: SearchMetric, chosen: Trial | None) -> Figure:
    figure = Figure(figsize=_SIZE)
    axes = figure.subplots()
    for state, mark, colour in (("complete", "o", "tab:blue"), ("pruned", "x", "tab:grey")):
        own = [trial for trial in trials if trial.state == state]
        axes.plot([each.number for each in own], [each.score for each in own], mark, color=colour, label=state)
    complete = [trial for trial in trials if trial.state == "complete"]
    best = max if metric in HIGHER_IS_BETTER else min
    so_far = [best(each.score for each in complete[: place + 1]) for place in range(len(complete))]
    axes.step([each.number for each in complete], so_far, where="post", linewidth=0.8, label="best so far")
    if chosen is not None:
        axes.errorbar(chosen.number, chosen.score, chosen.error, fmt="D", color="tab:red", label="chosen, one error")
    axes.legend()
    axes.set(xlabel="trial", ylabel=f"{metric} on held-out assets", title="Trials")
    return figure


def _importances(importances: Mapping[str, float]) -> Figure:
    figure = Figure(figsize=_SIZE)
    figure.subplots_adjust(left=0.42)
    axes = figure.subplots()
    shown = list(importances.items())[:_SHOWN][::-1]
    axes.barh([key for key, _ in shown], [share for _, share in shown])
    axes.tick_params(axis="y", labelsize=7)
    axes.set(xlabel="share", title="What made trials good (PED-ANOVA)")
    return figure


def _save(figure: Figure, file: Path) -> Path:
    figure.savefig(file, dpi=100)
    return file
