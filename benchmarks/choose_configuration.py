"""Choose the shipped experiments on public data by cross-validation over what they are not tested on.

    python benchmarks/choose_configuration.py azure DATASETS
    python benchmarks/choose_configuration.py fd001 DATASETS --seeds 7 1 2

DATASETS holds ``azure_pdm`` or ``cmapss`` in their original form. The azure experiment is tested on March, so nothing
known from 1 March on is looked at; FD001 and FD003 on test engines, which are left out. Each candidate is a few keys of
an experiment. It is trained as `forewarn train` does, on four fifths of the assets at a time, and judged on the others:
columns, threshold and calibration are chosen inside each fold. The best is the one with the lowest mean over the seeds
of the Brier score, or of the RMSE with true lives capped.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from data_contracts.tables.history import FRAMES, History, read_history
from data_contracts.workspace import init_workspace
from models.experiment.experiment_file import load_experiment
from models.training.training import train
from pipelines.importers.azure_pdm import read_azure_pdm
from pipelines.importers.batch import import_batch
from pipelines.importers.cmapss import read_cmapss

NOW = pd.Timestamp("2026-01-01", tz="UTC")
MARCH = pd.Timestamp("2015-03-01", tz="UTC")
EXPERIMENTS = Path(__file__).parents[1] / "pipelines" / "experiments"
CROSS = "split={{kind='cross', test_folds={folds}, score_at='all'}}"
# Intervals change no prediction, and take five more models a fold.
NO_INTERVALS = "evaluation.interval_level=0"

MEANS = ("features.tsfresh=['mean']", "features.events=true", "features.ages=true")
AGELESS = "features.ages=false"
COUNTS = (*MEANS, "features.ages=true", "features.events=counts")
FEW = (*COUNTS, AGELESS)
RANDOM = (
    "estimator.params={n_estimators=400, learning_rate=0.05, num_leaves=4, min_child_samples=100,"
    " feature_fraction=0.5, bagging_fraction=0.8, bagging_freq=1, extra_trees=true}",
)
FIXED = (RANDOM[0].replace(", extra_trees=true", ""),)
THREE = (RANDOM[0].replace("{", "{n_boosters=3, "),)
MINIMAL = "sum_values,median,mean,length,standard_deviation,variance,root_mean_square,maximum,absolute_maximum,minimum"


def windows(*spans: str) -> str:
    return f"windows.window={list(spans)}"


AZURE = {
    "means; ages; 24, 72 h": (*MEANS, windows("24h", "72h"), *FIXED),
    "means; 72 h": (*FEW, windows("72h"), *FIXED),
    "means; 24, 48 h": (*FEW, windows("24h", "48h"), *FIXED),
    "random splits; means; 3, 24 h": (*FEW, windows("3h", "24h"), *RANDOM),
    "random splits; means; 24, 48 h": (*FEW, windows("24h", "48h"), *RANDOM),
    "random splits; means; 24, 72 h": (*FEW, windows("24h", "72h"), *RANDOM),
    "random splits; means; 12, 24, 48 h": (*FEW, windows("12h", "24h", "48h"), *RANDOM),
    "random splits; means; ages; 24, 48 h": (*COUNTS, windows("24h", "48h"), *RANDOM),
    "random splits; means; ages; 3, 24 h": (*COUNTS, windows("3h", "24h"), *RANDOM),
    "random splits; means; times since events; 3, 24 h": (*MEANS, AGELESS, windows("3h", "24h"), *RANDOM),
    "three boosters of random splits; means; 3, 24 h": (*FEW, windows("3h", "24h"), *THREE),
    "Efficient, 20 kept; ages; 3, 24 h": (
        "features.tsfresh=efficient",
        "features.keep=20",
        f"features.always={MINIMAL.split(',')}",
        "features.events=true",
        "features.ages=true",
        windows("3h", "24h"),
        *FIXED,
    ),
}
LEVELS = "'mean', 'linear_trend__attr_\"slope\"'"
RATIO = "energy_ratio_by_chunks__num_segments_10__segment_focus_"
# Every fifth cycle and a third of the trees: the order of the candidates is wanted, not their last digit.
QUICK = (
    "windows.stride=5h",
    "estimator.params.n_boosters=1",
    "estimator.params.n_estimators=400",
    "estimator.params.learning_rate=0.03",
    "estimator.params.min_child_samples=20",
)
LIFE = {
    "level, slope": (f"features.tsfresh=[{LEVELS}]", *QUICK),
    "level, slope, first tenth": (f"features.tsfresh=[{LEVELS}, '{RATIO}0']", *QUICK),
    "level, slope, last tenth": (f"features.tsfresh=[{LEVELS}, '{RATIO}9']", *QUICK),
    "level, slope, scatter": (f"features.tsfresh=[{LEVELS}, 'standard_deviation', 'maximum', 'minimum']", *QUICK),
    "level": ("features.tsfresh=['mean']", *QUICK),
    "level, slope; 5, 10, 20, 50, 100 h, start": (
        f"features.tsfresh=[{LEVELS}]",
        windows("5h", "10h", "20h", "50h", "100h", "start"),
        *QUICK,
    ),
    "level, slope and 20 of the Efficient set": (
        "features.tsfresh=efficient",
        "features.keep=20",
        f"features.always=[{LEVELS}]",
        *QUICK,
    ),
}


def azure_before_march(datasets: Path, folder: Path) -> History:
    workspace = init_workspace(folder)
    import_batch(workspace, read_azure_pdm(datasets / "azure_pdm"), now=NOW)
    return read_history(workspace, "azure_machine", plant="azure", as_of=MARCH)


def training_engines(datasets: Path, folder: Path, subset: str) -> History:
    workspace = init_workspace(folder)
    import_batch(workspace, read_cmapss(datasets / "cmapss", subset), now=NOW)
    history = read_history(workspace, "turbofan", plant=subset)
    frames = {name: getattr(history, name) for name in FRAMES}
    kept = {name: frame[frame["asset"].str.startswith(f"{subset}-train")] for name, frame in frames.items()}
    return replace(history, **{name: frame.reset_index(drop=True) for name, frame in kept.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=["azure", "fd001", "fd003"])
    parser.add_argument("datasets", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 1])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these candidates alone")
    parser.add_argument("--folds", type=int, default=5, help="in how many parts the assets are left out")
    parser.add_argument("--set", action="append", default=[], help="a key to change in every candidate")
    parser.add_argument("--no-search", action="store_true", help="leave out what searches the Efficient set")
    options = parser.parse_args()
    azure = options.name == "azure"
    with tempfile.TemporaryDirectory() as folder:
        if azure:
            history = azure_before_march(options.datasets, Path(folder))
        else:
            history = training_engines(options.datasets, Path(folder), options.name.upper())
        shown = (
            ("brier", "pr_auc", "f1", "failures_caught", "false_alarms") if azure else ("rmse_capped", "rmse_uncapped")
        )
        fixed, means = [CROSS.format(folds=options.folds), NO_INTERVALS, *options.set], {}
        for candidate, keys in (AZURE if azure else LIFE).items():
            if (options.only and candidate not in options.only) or (options.no_search and "Efficient" in candidate):
                continue
            began, figures = time.process_time(), []
            for seed in options.seeds:
                path = EXPERIMENTS / f"{options.name}.toml"
                experiment = load_experiment(path, [*keys, *fixed, f"seed={seed}"])
                metrics = train(experiment, history).evaluation.metrics
                figures.append([metrics[name] for name in shown])
            mean = np.mean(figures, axis=0)
            means[candidate] = mean[0]
            text = "  ".join(f"{name} {value:.4f}" for name, value in zip(shown, mean, strict=True))
            print(f"{candidate:50s} {text}  {time.process_time() - began:.0f} s of a core", flush=True)
    print(f"best: {min(means, key=means.__getitem__)}")


if __name__ == "__main__":
    main()
