"""Score drift: scores that moved on most assets are detected before any outcome is known."""

import numpy as np
import pandas as pd

from models.monitoring.score_drift import score_drift

ASSETS = [f"m{number:02d}" for number in range(40)]


def test_score_drift_detects_a_higher_mean() -> None:
    """Scores that are higher on every asset have moved; the same ones have not."""
    rng = np.random.default_rng(0)
    assets = np.repeat(ASSETS, 20)
    before = pd.DataFrame({"asset": assets, "probability": rng.beta(1, 20, len(assets))})
    after = before.assign(probability=rng.beta(1, 6, len(assets)))
    assert score_drift(before, after).p_value < 1e-6
    assert score_drift(before, before).p_value == 1.0
    assert score_drift(before, after.iloc[:0]).p_value == 1.0


def test_each_asset_counts_once() -> None:
    """Overlapping windows of machines that wander apart are no drift, though each window by itself would show one."""
    rng = np.random.default_rng(0)
    level = np.random.default_rng(1).normal(size=(len(ASSETS), 1))

    def period(assets: list[str]) -> pd.DataFrame:
        scores = level + np.cumsum(rng.normal(0, 0.1, (len(ASSETS), 30)), axis=1)
        return pd.DataFrame({"asset": assets, "probability": scores.ravel()})

    assets = list(np.repeat(ASSETS, 30))
    shifts = [score_drift(period(assets), period(assets)) for _ in range(30)]
    assert sum(shift.p_value <= 0.05 for shift in shifts) <= 2
    assert {shift.assets for shift in shifts} == {len(ASSETS)}
    windows = [f"w{number}" for number in range(len(assets))]
    assert sum(score_drift(period(windows), period(windows)).p_value <= 0.05 for _ in range(30)) >= 10


def test_an_asset_without_scores_is_left_out() -> None:
    """Scores that are null on an asset leave it out of its period's sample."""
    before = pd.DataFrame({"asset": list("aabb"), "probability": [0.1, 0.2, np.nan, np.nan]})
    after = pd.DataFrame({"asset": list("ab"), "probability": [0.1, 0.2]})
    assert score_drift(before, after).assets == 1
