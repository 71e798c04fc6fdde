"""Figures of the prognostics of remaining life: how early, and how closely, it is predicted over a life.

References
----------
Saxena, Celaya, Saha, Saha & Goebel, "Metrics for offline evaluation of prognostic performance", International Journal
of Prognostics and Health Management 1 (2010), section 4: prognostic horizon, alpha-lambda performance.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

Vector = npt.NDArray[np.float64]

ALPHA = 0.2
"""How far a prediction may be off: of the true remaining life, or for the prognostic horizon of the whole life."""
LAMBDAS = (0.25, 0.5, 0.75)
"""Where in a life it is judged, from the first prediction (0) to the end (1)."""


def prognostic_figures(samples: pd.DataFrame) -> dict[str, float]:
    """Compute the figures of samples (asset, as_of, prediction, remaining_life_h), each life weighing the same.

    ``alpha_lambda_50``: the share of lives whose prediction halfway from the first one to the end is within 20 % of the
    remaining life; of the lives that are followed so far. ``prognostic_horizon_h``: the median, over lives followed to
    their last fifth, of how long before the end the predictions come within 20 % of the whole life and stay there; the
    paper counts from the first such prediction, though it may be a lucky one. NaN without such lives.
    """
    known = samples[samples["remaining_life_h"].notna()].sort_values(["asset", "as_of"])
    ends = known["as_of"] + pd.to_timedelta(known["remaining_life_h"].round(6), unit="h").dt.round("s")
    lives = [
        (own["remaining_life_h"].to_numpy(dtype=np.float64), own["prediction"].to_numpy(dtype=np.float64))
        for _, own in known.groupby([known["asset"], ends], sort=False)
    ]
    figures = {f"alpha_lambda_{part:.0%}".rstrip("%"): _share_within(lives, part) for part in LAMBDAS}
    horizons = [_horizon(true, predicted) for true, predicted in lives if true[-1] <= ALPHA * true[0]]
    figures["prognostic_horizon_h"] = float(np.median(horizons)) if horizons else float("nan")
    return figures | {"lives": float(len(lives)), "lives_to_the_end": float(len(horizons))}


def _share_within(lives: list[tuple[Vector, Vector]], part: float) -> float:
    """Return the share of lives predicted within alpha of the remaining life at a part of them; NaN for none."""
    within = []
    for true, predicted in lives:
        reached = np.flatnonzero(true <= (1.0 - part) * true[0])
        if len(reached):
            within.append(abs(predicted[reached[0]] - true[reached[0]]) <= ALPHA * true[reached[0]])
    return float(np.mean(within)) if within else float("nan")


def _horizon(true: Vector, predicted: Vector) -> float:
    """Return the remaining life from which on all predictions are within alpha of the whole life; 0 if none is."""
    outside = np.flatnonzero(np.abs(predicted - true) > ALPHA * true[0])
    first = outside[-1] + 1 if len(outside) else 0
    return float(true[first]) if first < len(true) else 0.0
