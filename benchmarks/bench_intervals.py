"""How often 90 % intervals hold the truth of assets held out, and how wide they are beside intervals of one width.

    python benchmarks/bench_intervals.py DATASETS fd001 fd003 tool_life tool_wear
    python benchmarks/bench_intervals.py DATASETS fd001 fd003 --cross

DATASETS holds ``cmapss`` and ``turning_wear`` in their original form. Each is imported, and its experiment trained and
registered, as `forewarn import` and `forewarn train` do it: the shipped experiments of FD001 and FD003, and those that
`forewarn data report --experiment` drafts of the turning tools, which leave out each tool in turn. With ``--cross`` the
engines that FD001 and FD003 are trained on are left out instead, a fifth at a time. Each asset weighs the same; lives
are in cycles, wear in µm.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import pandas as pd
from bench_turning_wear import prepare

from data_contracts.workspace import Workspace, init_workspace, open_workspace
from models.experiment.experiment import Experiment
from models.experiment.experiment_file import load_experiment
from models.registry.registration.run_record import CARD_FILE
from models.registry.registry import Registry
from pipelines.importers.batch import Batch, import_batch
from pipelines.importers.cmapss import read_cmapss
from pipelines.jobs.train import train_experiment

NOW = pd.Timestamp("2026-01-01", tz="UTC")
EXPERIMENTS = Path(__file__).parents[1] / "pipelines" / "experiments"
CSV = Path("turning_wear") / "Dataset_Machine_tool_wear.csv"
TOOLS = {"tool_life": "life", "tool_wear": "wear"}
ENGINES = ("fd001", "fd003")
CROSS = "split={kind='cross', test_folds=5, score_at='all'}"
TABLES = ("telemetry", "assets", "failures")


def engines(datasets: Path, subset: str, *, cross: bool) -> tuple[Workspace, Experiment]:
    """Import a subset, of `cross` the training engines alone, into a workspace in the current folder."""
    workspace, batch = init_workspace(Path("engines")), read_cmapss(datasets / "cmapss", subset.upper())
    import_batch(workspace, training_engines(batch) if cross else batch, now=NOW)
    return workspace, load_experiment(EXPERIMENTS / f"{subset}.toml", [CROSS] if cross else [])


def training_engines(batch: Batch) -> Batch:
    """Leave out the engines that the shipped experiments are tested on."""
    frames = {name: getattr(batch, name) for name in TABLES}
    kept = {name: frame[frame["asset"].str.contains("-train-")] for name, frame in frames.items()}
    return replace(batch, **{name: frame.reset_index(drop=True) for name, frame in kept.items()})


def tools(datasets: Path, what: str) -> tuple[Workspace, Experiment]:
    """Import the turning tools and draft their experiment as a user does, in the current folder."""
    experiment = prepare(datasets / CSV, TOOLS[what]).experiment
    return open_workspace(Path(".forewarn"), os.environ), experiment


def measure(datasets: Path, name: str, keys: Sequence[str], *, cross: bool) -> None:
    """Train in a new workspace, and print the figures of the intervals."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        workspace, experiment = tools(datasets, name) if name in TOOLS else engines(datasets, name, cross=cross)
        began = time.perf_counter()
        result = train_experiment(workspace, experiment.with_overrides(keys), now=NOW)
        print(f"{name}{', training engines left out in turn' if cross else ''} ({time.perf_counter() - began:.0f} s)")
        shown = {key: value for key, value in result.metrics.items() if key.startswith(("interval", "rmse"))}
        for key, value in shown.items():
            print(f"  {key:32s} {value:.3f}")
        with Registry(workspace).run_file(result.model_name, result.version, CARD_FILE) as card:
            print(card.read_text("utf-8").split("## Intervals")[1].split("\n##")[0], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path)
    parser.add_argument("names", nargs="+", choices=[*ENGINES, *TOOLS])
    parser.add_argument("--cross", action="store_true", help="leave out training engines in turn")
    parser.add_argument("--set", action="append", default=[], help="a key of the experiment to change")
    options = parser.parse_args()
    for name in options.names:
        measure(options.datasets.resolve(), name, options.set, cross=options.cross and name in ENGINES)


if __name__ == "__main__":
    main()
