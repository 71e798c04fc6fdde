"""Anomalies of a water-pump test bed (Skoltech Anomaly Benchmark): python benchmarks/bench_skab.py FOLDER.

Each of the 34 experiments is a recording of its own, a reading a second. Its first 400 rows are the healthy span, all
others are scored, and the errors of all are pooled. The settings are the same for all, and were chosen by `--develop`:
pieces of the recording without anomalies, which is none of the 34, with shifts, ramps and changes of spread that begin
and end put into them. Earlier versions were scored with the labels (docs/explanation/anomalies.md).
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from models.anomalies.anomaly_model import fit_anomalies
from models.anomalies.blocks import N_BLOCKS, block_numbers
from models.anomalies.detector_names import NAMES
from models.anomalies.limits import blocked_limit, running_median
from models.assessment.anomaly.figures import count_rows

HEALTHY = 400
WINDOW, PERSISTENCE, CHANCE, DETECTOR = 20, 1, 0.1, "principal_components"
SEEDS = {"isolation_forest": (0, 1, 2), "anomaly_ensemble": (0, 1, 2)}  # the others draw nothing
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


def alarms(values, rows=HEALTHY, *, detector=DETECTOR, window=WINDOW, persistence=PERSISTENCE, chance=CHANCE, seed=0):
    """Return how far each row after the healthy span is beyond the limit (in log distance), and the fitted model."""
    x, healthy = window_features(values, window), rows - window + 1
    times = np.arange(len(x), dtype=float)
    fitted = fit_anomalies(x[:healthy], times[:healthy], detector=detector, purge=float(window), seed=seed)
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


def developed(folder, draws=2, length=1100, step=400):
    """Cut the recording without anomalies into pieces with a fault put into each, that begins and ends."""
    whole, cases = read(folder / "anomaly-free" / "anomaly-free.csv")[0], []
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        for start in range(0, len(whole) - length, step):
            piece = whole[start : start + length].copy()
            spread, first = piece[:HEALTHY].std(0), HEALTHY + int(rng.integers(100, 250))
            last = min(first + int(rng.integers(200, 400)), length - 60)
            kind = rng.integers(3)
            for channel in rng.choice(piece.shape[1], rng.integers(1, 4), replace=False):
                part = piece[first:last, channel]
                size = rng.choice([-1, 1]) * rng.uniform(1, 4) * spread[channel]
                more = part.mean() + (part - part.mean()) * rng.uniform(1.5, 4)
                ramp = part + size * np.minimum(np.linspace(0, 3, len(part)), 1.5)
                piece[first:last, channel] = (part + size, ramp, more)[kind]
            rows = np.arange(length)
            cases.append((piece, (rows >= first) & (rows < last)))
    return cases


def report(name, beyond, labels, intervals=True):
    f1, far, mar = figures(beyond, labels)
    line = f"{name:58s} F1 {f1:.3f}  FAR {far:.3f}  MAR {mar:.3f}"
    if intervals:
        line += "   95 %: " + ", ".join(f"{low:.2f}-{high:.2f}" for low, high in bootstrap(beyond, labels))
    print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--develop", action="store_true", help="score the faults put into the healthy recording")
    parser.add_argument("--detectors", nargs="*", default=list(NAMES))
    parser.add_argument("--window", type=int, default=WINDOW)
    parser.add_argument("--persistence", type=int, default=PERSISTENCE)
    parser.add_argument("--chance", type=float, default=CHANCE)
    options = parser.parse_args()
    settings = {name: getattr(options, name) for name in ("window", "persistence", "chance")}
    files = experiments(options.folder)
    cases = developed(options.folder) if options.develop else [read(file) for file in files]
    labels = [bad[HEALTHY:] for _, bad in cases]
    print(settings)
    for detector in options.detectors:
        for seed in SEEDS.get(detector, (0,)):
            found = [alarms(values, detector=detector, seed=seed, **settings) for values, _ in cases]
            report(f"{detector}, seed {seed}", [each for each, _ in found], labels)
            if detector == DETECTOR:
                shipped = found
    report("always alarming", [np.ones(len(each)) for each in labels], labels, intervals=False)
    if options.develop or DETECTOR not in options.detectors:
        return
    for file, (each, fitted), bad, (_, all_labels) in zip(files, shipped, labels, cases, strict=True):
        f1, far, mar = figures([each], [bad])
        model = fitted.model
        name, columns = f"{file.parent.name}/{file.name}", len(model.screening.kept)
        print(
            f"  {name:14s} F1 {f1:.2f} FAR {far:.2f} MAR {mar:.2f}; {columns} of 24 columns;"
            f" {model.rows_left_out} of {model.rows} rows left out, {int(all_labels[:HEALTHY].sum())} labelled"
        )
    if settings == {"window": WINDOW, "persistence": PERSISTENCE, "chance": CHANCE}:
        f1, far, _ = figures([each for each, _ in shipped], labels)
        assert f1 > 0.65, "it finds far less than it did"
        assert far < 0.3, "it alarms far more than it did"


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
