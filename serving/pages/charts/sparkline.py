"""Small charts of the risk of many machines, read at once: a line from left to right, and the threshold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.records.overview.fleet_predictions import highest_levels
from serving.pages.fleet_state.risks import Risk

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext

WIDTH: Final = 112
HEIGHT: Final = 28
_COLUMNS: Final = 28
"""So many columns of equal time share the width, each with its highest risk."""
_LEAST_TOP: Final = 1.25
"""The chart reaches to so many thresholds at least, so that the threshold is in it."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sparkline:
    """The course of a risk; levels are in thresholds."""

    path: str  # of an SVG path
    threshold: int  # its height in the chart
    first: float
    last: float
    highest: float


def sparklines(worker: "WorkerContext", leading: Mapping[str, Risk], span: pd.Timedelta) -> dict[str, Sparkline]:
    """Draw the course of each machine's leading model over a span that ends with its newest prediction of any."""
    models = {asset: risk.model for asset, risk in leading.items() if risk.level is not None}
    if not models:
        return {}
    until = max(leading[asset].as_of for asset in models)
    engine = worker.predictor.log.commit.engine()
    rows = highest_levels(engine, list(models), since=until - span, until=until, parts=_COLUMNS)
    if rows.empty:
        return {}
    own = rows[rows["model_name"] == rows["asset"].map(models)]
    places = np.minimum(own["part"].to_numpy(dtype=np.int64), _COLUMNS - 1)
    levels = own["level"].to_numpy(dtype=np.float64)
    names, firsts = np.unique(own["asset"].to_numpy(dtype=object), return_index=True)
    parts = zip(np.split(places, firsts[1:]), np.split(levels, firsts[1:]), strict=True)
    return {name: _draw(*part) for name, part in zip(names.tolist(), parts, strict=True)}


def _draw(places: npt.NDArray[np.int64], levels: Floats) -> Sparkline:
    top = max(_LEAST_TOP, float(levels.max()))
    x = np.rint((places + 0.5) * WIDTH / _COLUMNS).astype(int).tolist()
    y = np.rint(HEIGHT - 1 - levels / top * (HEIGHT - 2)).astype(int).tolist()
    points = list(zip(x, y, strict=True))
    # A single point is drawn as a short stroke.
    path = "M" + "L".join(f"{at} {height}" for at, height in points) + ("h1" if len(points) == 1 else "")
    threshold = round(HEIGHT - 1 - (HEIGHT - 2) / top)
    return Sparkline(path, threshold, float(levels[0]), float(levels[-1]), float(levels.max()))
