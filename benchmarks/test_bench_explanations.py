"""Time to compute the contributions to one prediction, beside LightGBM's own."""

import time
from typing import Any

import lightgbm
import numpy as np
import pytest

from models.artifact.tree_contributions import TreeContributions

ROUNDS = 15


@pytest.mark.parametrize("rows", [1, 200])
def test_contributions_beside_lightgbm(benchmark: Any, rows: int) -> None:
    """Ours and LightGBM's `pred_contrib` in turn, medians; the same values."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(2000, 40))
    label = (features[:, 0] + features[:, 1] * features[:, 2] + rng.normal(size=2000) > 0).astype(float)
    booster = lightgbm.train(
        {"objective": "binary", "num_leaves": 15, "verbosity": -1, "num_threads": 1, "seed": 1},
        lightgbm.Dataset(features, label),
        num_boost_round=250,
    )
    ours, sample = TreeContributions.from_text(booster.model_to_string()), features[:rows]
    times: dict[str, list[float]] = {"ours": [], "lightgbm": []}
    for _ in range(ROUNDS):
        for name, compute in (
            ("ours", lambda: ours.compute(sample)),
            ("lightgbm", lambda: booster.predict(sample, pred_contrib=True, num_threads=1)),
        ):
            begin = time.perf_counter()
            values = compute()
            times[name].append(time.perf_counter() - begin)
    benchmark.pedantic(lambda: ours.compute(sample), rounds=ROUNDS)
    medians = {name: float(np.median(seconds)) * 1e3 for name, seconds in times.items()}
    print(f"\n{rows} rows: ours {medians['ours']:.2f} ms, LightGBM {medians['lightgbm']:.2f} ms")
    np.testing.assert_allclose(ours.compute(sample), np.asarray(values)[:, : features.shape[1]], rtol=1e-6, atol=1e-9)
