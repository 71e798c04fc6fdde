"""What a budget of time costs in accuracy: shipped experiments on public data, with more features than they need.

    python -m benchmarks.feature_budgets azure|fd001 DATASETS [--budgets 0.05ms 0.2ms 1ms] [--features efficient]

Trains the experiment with a large set of features under each budget, as `forewarn train` does, and prints the curve
that each training drew on validation folds, the figures on the test data, and how long the features of one asset take
in truth beside the estimate: the median of many cut-offs, one at a time, on one thread, less what any extraction takes.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.choose_configuration import EXPERIMENTS, NOW
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import init_workspace
from features.extraction.extract import extract
from features.recipe.recipe import Recipe
from models.experiment.experiment_file import load_experiment
from models.training.columns.series_lengths import measure_series
from models.training.training import Trained, train
from pipelines.importers.azure_pdm import read_azure_pdm
from pipelines.importers.batch import import_batch
from pipelines.importers.cmapss import read_cmapss

FIGURES = {"azure": ("pr_auc", "brier", "f1"), "fd001": ("rmse_capped", "rmse_uncapped")}
CUT_OFFS, ROUNDS = 40, 5


def read(name: str, datasets: Path, folder: Path) -> History:
    workspace = init_workspace(folder)
    if name == "azure":
        import_batch(workspace, read_azure_pdm(datasets / "azure_pdm"), now=NOW)
        return read_history(workspace, "azure_machine", plant="azure")
    import_batch(workspace, read_cmapss(datasets / "cmapss", "FD001"), now=NOW)
    return read_history(workspace, "turbofan", plant="FD001")


def measured_ms(history: History, recipe: Recipe, cut_offs: pd.DataFrame) -> float:
    """Return how much longer a recipe takes than one column of it."""
    context = set(recipe.context.columns)
    single = recipe.reduce([next(column for column in recipe.output if column not in context)])
    return 1000 * (_median(history, recipe, cut_offs) - _median(history, single, cut_offs))


def _median(history: History, recipe: Recipe, cut_offs: pd.DataFrame) -> float:
    times = []
    for place in range(len(cut_offs)):
        row, best = cut_offs.iloc[place : place + 1], np.inf
        for _ in range(ROUNDS):
            begin = time.process_time()
            extract(history, row, recipe)
            best = min(best, time.process_time() - begin)
        times.append(best)
    return float(np.median(times))


def curve_table(trained: Trained) -> Table:
    table = Table("budget ms", "cost ms", "columns", "score out of fold", title="the curve", box=None)
    for point in trained.budget_curve:
        budget = "none" if point.budget_s is None else f"{1000 * point.budget_s:.3g}"
        table.add_row(budget, f"{1000 * point.cost_s:.3g}", f"{point.n_columns:.0f}", f"{point.score:.4f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(FIGURES))
    parser.add_argument("datasets", type=Path)
    parser.add_argument("--budgets", nargs="+", default=["0.05ms", "0.2ms", "1ms"])
    parser.add_argument("--features", default="efficient")
    options = parser.parse_args()
    console, path = Console(width=110), EXPERIMENTS / f"{options.name}.toml"
    shown = Table("budget", "columns", "estimated ms", "measured ms", *FIGURES[options.name], "s of a core", box=None)
    with tempfile.TemporaryDirectory() as folder:
        history = read(options.name, options.datasets, Path(folder))
        for budget in ("as shipped", *options.budgets):
            keys = (
                [] if budget == "as shipped" else [f"features.tsfresh={options.features}", f"features.budget={budget}"]
            )
            begin = time.process_time()
            trained = train(load_experiment(path, keys), history)
            spent = time.process_time() - begin
            recipe = trained.artifact.recipe
            tested = trained.evaluation.predictions[["asset", "as_of"]]
            cost = measure_series(history, tested, recipe)
            own = measured_ms(history, recipe, tested.iloc[:: max(len(tested) // CUT_OFFS, 1)][:CUT_OFFS])
            figures = [f"{trained.evaluation.metrics[name]:.4f}" for name in FIGURES[options.name]]
            estimated = 1000 * cost.seconds(recipe.output)
            shown.add_row(budget, str(len(recipe.output)), f"{estimated:.3f}", f"{own:.3f}", *figures, f"{spent:.0f}")
            console.print(shown)
            if trained.budget_curve:
                console.print(curve_table(trained))


if __name__ == "__main__":
    main()
