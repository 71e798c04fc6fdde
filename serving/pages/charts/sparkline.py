"""Small charts of the risk of many machines, read at once: a line from left to right, and the threshold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.records.overview.fleet_predictions import courses
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
    numbered = {asset: risk for asset, risk in leading.items() if risk.level is not None}
    if not numbered:
        return {}
    until = max(risk.as_of for risk in numbered.values())
    rows = courses(worker.predictor.log.commit.engine(), list(numbered), since=until - span, until=until)
    own = rows["model_name"] == rows["asset"].map({asset: risk.model for asset, risk in numbered.items()})
    rows = rows[own & _has_number(rows)]
    if rows.empty:
        return {}
    column = (rows["as_of"] - (until - span)) / span * _COLUMNS
    places = np.minimum(column.to_numpy(dtype=np.float64).astype(np.int64), _COLUMNS - 1)
    highest = pd.Series(_levels(rows)).groupby([rows["asset"].to_numpy(), places]).max()
    return {
        str(asset): _draw(of["place"].to_numpy(), of["level"].to_numpy(dtype=np.float64))
        for asset, of in highest.rename_axis(["asset", "place"]).rename("level").reset_index().groupby("asset")
    }


def _has_number(rows: pd.DataFrame) -> "pd.Series[bool]":
    life = rows["remaining_life_h"].notna() & rows["threshold"].notna()
    return rows["probability"].notna() | life


def _levels(rows: pd.DataFrame) -> Floats:
    """Return risks in thresholds, as `risks.risk_level` does for one."""
    probability, life, threshold = (
        rows[name].to_numpy(dtype=np.float64) for name in ("probability", "remaining_life_h", "threshold")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        of_probability = np.where(threshold > 0, probability / threshold, probability)
        levels = np.where(np.isnan(probability), threshold / np.maximum(life, 1e-3), of_probability)
    return np.asarray(levels, dtype=np.float64)


def _draw(places: npt.NDArray[np.int64], levels: Floats) -> Sparkline:
    top = max(_LEAST_TOP, float(levels.max()))
    x = np.rint((places + 0.5) * WIDTH / _COLUMNS).astype(int).tolist()
    y = np.rint(HEIGHT - 1 - levels / top * (HEIGHT - 2)).astype(int).tolist()
    points = list(zip(x, y, strict=True))
    # A single point is drawn as a short stroke.
    path = "M" + "L".join(f"{at} {height}" for at, height in points) + ("h1" if len(points) == 1 else "")
    threshold = round(HEIGHT - 1 - (HEIGHT - 2) / top)
    return Sparkline(path, threshold, float(levels[0]), float(levels[-1]), float(levels.max()))
