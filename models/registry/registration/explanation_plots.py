"""Plots of what a booster's predictions rest on: SHAP values over some samples, and their dependence on the features.

References
----------
Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature Machine
Intelligence 2 (2020), doi:10.1038/s42256-019-0138-9 (summary and dependence plots).
"""

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from models.artifact.artifact import LIGHTGBM, feature_matrix
from models.artifact.tree_contributions import TreeContributions
from models.training.training import Trained

Matrix = npt.NDArray[np.float64]
_SHOWN, _DEPENDENCES, _TITLE, _LABEL = 12, 4, 48, 90
_UNITS = {"failure": "log-odds", "remaining_life": "hours"}


def draw_explanations(trained: Trained, folder: Path) -> tuple[Path, ...]:
    """Draw the SHAP summary and the dependence plots, and return the PNG files; none for other learners."""
    artifact, features = trained.artifact, trained.explained
    if artifact.estimator != LIGHTGBM or len(artifact.horizons) > 1 or not len(features):
        return ()
    x = feature_matrix(features, artifact.columns)
    contributions = TreeContributions.from_text(artifact.stored.decode()).compute(x)
    unit = _UNITS.get(artifact.target, trained.condition_unit or "value")
    order = np.argsort(-np.abs(contributions).mean(axis=0), kind="stable")
    files = []
    for name, draw, shown in (("shap_summary", _summary, _SHOWN), ("shap_dependence", _dependence, _DEPENDENCES)):
        figure = draw(x, contributions, list(artifact.columns), order[:shown], unit)
        files.append(folder / f"{name}.png")
        # Tight, so that no name of a column is cut.
        figure.savefig(files[-1], dpi=100, bbox_inches="tight")
    return tuple(files)


def wrapped(column: str, width: int = _LABEL) -> str:
    """Break a column's name into lines; matplotlib would take $ and _ for mathematics."""
    return "\n".join(textwrap.wrap(column, width)).replace("$", r"\$")


def _summary(x: Matrix, contributions: Matrix, columns: list[str], order: Any, unit: str) -> Figure:
    """Draw a point for each sample and column: to the right what raises the score, coloured by the column's value."""
    figure = Figure(figsize=(7.0, 0.45 * len(order) + 1.2))
    axes = figure.subplots()
    # Fixed places beside the line, so that the same model gives the same picture.
    beside = (np.arange(len(x)) * 0.618034 % 1.0 - 0.5) * 0.6
    for place, column in enumerate(order[::-1]):
        points = axes.scatter(
            contributions[:, column], place + beside, c=_ranks(x[:, column]), cmap="coolwarm", s=6, vmin=0, vmax=1
        )
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.set_yticks(range(len(order)), [wrapped(columns[column]) for column in order[::-1]], fontsize=7)
    axes.set(xlabel=f"SHAP value ({unit})", title="What predictions rest on")
    bar = figure.colorbar(points, ax=axes, ticks=[0, 1])
    bar.ax.set_yticklabels(["low", "high"])
    bar.set_label("value of the column")
    return figure


def _dependence(x: Matrix, contributions: Matrix, columns: list[str], order: Any, unit: str) -> Figure:
    """Draw the SHAP value of each of the first columns over its value."""
    figure = Figure(figsize=(9.0, 3.4 * ((len(order) + 1) // 2)))
    figure.subplots_adjust(hspace=0.55, wspace=0.3)
    grid = figure.subplots((len(order) + 1) // 2, 2, squeeze=False).ravel()
    for axes, column in zip(grid, order, strict=False):
        axes.scatter(x[:, column], contributions[:, column], s=8, alpha=0.6)
        axes.axhline(0, color="grey", linewidth=0.8)
        axes.set_title(wrapped(columns[column], _TITLE), fontsize=8)
        axes.set(xlabel="value", ylabel=f"SHAP value ({unit})")
    for axes in grid[len(order) :]:
        axes.set_axis_off()
    return figure


def _ranks(values: Matrix) -> Matrix:
    """Return each value's rank from 0 to 1; NaN stays, and is not drawn in a colour."""
    known = ~np.isnan(values)
    ranks = np.full(len(values), np.nan)
    ordered = np.sort(values[known])
    ranks[known] = np.searchsorted(ordered, values[known], side="right") / max(len(ordered), 1)
    return ranks
