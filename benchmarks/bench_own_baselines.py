"""What an asset's own baseline changes: alerts on healthy windows and on windows with a fault, beside its type's.

Twenty types of 20 assets with eight columns, which differ by `between` scatters; of each a new asset with 28 quiet
windows, then 400 healthy ones, and the same with one column four scatters higher. One limit, which two in a thousand of
the held-out windows exceed.
"""

import numpy as np

from models.anomalies.anomaly_model import fit_anomalies
from models.baselines.fit_baseline import fit_baseline

TYPES, ASSETS, ROWS, COLUMNS, JUDGED = 20, 20, 120, 8, 400


def shares(between: float) -> dict[str, float]:
    """Return the shares of windows that alert: healthy or faulty, by the type's baseline or the asset's own."""
    alerts = dict.fromkeys(("healthy type", "healthy own", "faulty type", "faulty own"), 0)
    for seed in range(TYPES):
        rng = np.random.default_rng(seed)
        levels = rng.normal(0.0, between, (ASSETS, 1, COLUMNS))
        x = (levels + rng.normal(0.0, 1.0, (ASSETS, ROWS, COLUMNS))).reshape(-1, COLUMNS)
        times, assets = np.tile(np.arange(ROWS) * 12.0, ASSETS), np.repeat(np.arange(ASSETS), ROWS)
        fitted = fit_anomalies(x, times, detector="mahalanobis", purge=24.0, assets=assets)
        limit, model = np.nanquantile(fitted.held_out, 0.998), fitted.model
        level = rng.normal(0.0, between, (1, COLUMNS))
        quiet = level + rng.normal(0.0, 1.0, (28, COLUMNS))
        own = fit_baseline(quiet, model.screening, windows=14.0, since="", until="")
        healthy = level + rng.normal(0.0, 1.0, (JUDGED, COLUMNS))
        faulty = healthy + np.eye(COLUMNS)[0] * 4.0
        for name, rows in (("healthy", healthy), ("faulty", faulty)):
            alerts[f"{name} type"] += int((model.unusualness(rows) >= limit).sum())
            alerts[f"{name} own"] += int((model.unusualness(own.relative(rows)) >= limit).sum())
    return {name: count / (TYPES * JUDGED) for name, count in alerts.items()}


if __name__ == "__main__":
    for between in (0.0, 1.0, 2.0):
        print(between, {name: f"{share:.2%}" for name, share in shares(between).items()})
