"""Search for better configurations of shipped experiments on public data, and look at the test once.

    python benchmarks/sweeps.py azure DATASETS WORKSPACE
    python benchmarks/sweeps.py fd001 DATASETS WORKSPACE --trials 30 --workers 2

DATASETS holds ``azure_pdm`` or ``cmapss`` in their original form; WORKSPACE is a folder to keep everything in, so that
the same command goes on where it was cut off. The experiment is trained as it ships; the sweep runs as `forewarn sweep`
does, is killed (SIGKILL) once half of its trials have ended, started again, and trains what it has chosen. Printed are
both on the test, what the search saw, its optimism with the interval, and how long it took.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient

from data_contracts.tables.history import read_history
from data_contracts.workspace import SETTINGS_FILE, Workspace, init_workspace
from models.experiment.experiment_file import load_experiment
from models.sweeps.optimism import scored_test
from models.sweeps.search_metrics import measure
from models.training.training import train
from pipelines.importers.azure_pdm import read_azure_pdm
from pipelines.importers.batch import import_batch
from pipelines.importers.cmapss import read_cmapss

NOW = pd.Timestamp("2026-01-01", tz="UTC")
EXPERIMENTS = Path(__file__).parents[1] / "pipelines" / "experiments"
COMMAND = [sys.executable, "-c", "from pipelines.cli import main; main()"]
# One booster: their average comes when the rest has been chosen.
SPACE = """
"estimator.params.n_boosters" = [1]
"estimator.params.num_leaves" = {low = 3, high = 31, log = true}
"estimator.params.n_estimators" = {low = 50, high = 400, log = true}
"estimator.params.learning_rate" = {low = 0.01, high = 0.2, log = true}
"estimator.params.min_child_samples" = {low = 10, high = 200, log = true}
"estimator.params.feature_fraction" = {low = 0.2, high = 1.0}
"estimator.params.extra_trees" = [true, false]
"""
AZURE = f"""
[sweep]
every = 2
[sweep.space]
"windows.window" = ["24h", ["3h", "24h"], ["24h", "72h"]]
"features.tsfresh" = [["mean"], ["mean", "maximum", "standard_deviation"]]
{SPACE}
"""
SLOPE, LAST = 'linear_trend__attr_\\"slope\\"', "energy_ratio_by_chunks__num_segments_10__segment_focus_9"
LIFE = f"""
[sweep]
every = 5
[sweep.space]
"windows.window" = [["10h", "30h"], ["30h", "start"], ["10h", "30h", "100h", "start"]]
"features.tsfresh" = [["mean"], ["mean", "{SLOPE}"], ["mean", "{SLOPE}", "{LAST}"]]
{SPACE}
"""
SPACES, SHOWN = {"azure": AZURE, "fd001": LIFE}, {"azure": ("f1", "pr_auc", "brier"), "fd001": ("rmse_capped",)}


def prepared(name: str, datasets: Path, folder: Path) -> Workspace:
    if (folder / SETTINGS_FILE).exists():
        return init_workspace(folder)
    workspace = init_workspace(folder)
    batch = read_azure_pdm(datasets / "azure_pdm") if name == "azure" else read_cmapss(datasets / "cmapss", "FD001")
    import_batch(workspace, batch, now=NOW)
    return workspace


def sweep(experiment: Path, folder: Path, options: argparse.Namespace, *, kill_after: int = 0) -> tuple[Any, float]:
    """Run the command; kill it when so many trials have ended. Return its answer, None if killed, and the seconds."""
    words = ["sweep", str(experiment), "--trials", str(options.trials), "--workers", str(options.workers)]
    began = time.monotonic()
    with (folder / "progress.txt").open("a") as progress:
        words += ["--train", "--json", "-w", str(folder)]
        process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=progress, text=True)
        while kill_after and process.poll() is None and ended(folder) < kill_after:
            time.sleep(5)
        if kill_after and process.poll() is None:
            process.kill()
            process.communicate()
            return None, time.monotonic() - began
        answer, _ = process.communicate()
    return json.loads(answer), time.monotonic() - began


def ended(folder: Path) -> int:
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}") if (folder / "mlflow.db").exists() else None
    ids = [] if client is None else [each.experiment_id for each in client.search_experiments()]
    runs = client.search_runs(ids, max_results=1000) if client is not None and ids else []
    return sum("sweep_trial" in run.data.tags for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=list(SPACES))
    parser.add_argument("datasets", type=Path)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    folder = options.workspace
    workspace = prepared(options.name, options.datasets, folder)
    experiment = folder / f"{options.name}_sweep.toml"
    experiment.write_text((EXPERIMENTS / f"{options.name}.toml").read_text() + SPACES[options.name])
    before = ended(folder)
    killed_s = 0.0
    if before < options.trials // 2:
        _, killed_s = sweep(experiment, folder, options, kill_after=options.trials // 2)
        print(f"killed after {ended(folder)} trials and {killed_s:.0f} s", flush=True)
    answer, seconds = sweep(experiment, folder, options)
    if "trials" not in answer:
        sys.exit(json.dumps(answer, indent=2))
    print(f"went on with {answer['resumed']} trials; {killed_s + seconds:.0f} s in all", flush=True)
    report(options.name, answer, workspace)


def report(name: str, answer: dict[str, Any], workspace: Workspace) -> None:
    shipped = load_experiment(EXPERIMENTS / f"{name}.toml")
    history = read_history(workspace, shipped.data.asset_type, plant=shipped.data.plant)
    trained = train(shipped, history)
    own, told, metric = scored_test(trained).of_known(), answer["optimism"], answer["metric"]
    states = ", ".join(f"{answer[state]} {state}" for state in ("complete", "pruned", "failed"))
    print(f"{states}; chosen: trial {answer['chosen']['number']}, {answer['chosen']['params']}")
    print(f"{'on the test':24s}{'shipped':>12s}{'chosen':>12s}")
    for key in SHOWN[name]:
        print(f"{key:24s}{trained.evaluation.metrics[key]:12.4f}{answer['test'][key]:12.4f}")
    print(f"{metric + ', every cut-off':24s}{measure(metric, own.truth, own.predicted):12.4f}{told['outer']:12.4f}")
    print(f"{'the search saw':24s}{'':12s}{told['inner']:12.4f}")
    print(f"inner minus outer {told['difference']:.4f} (95% {told['low']:.4f} to {told['high']:.4f})")
    size = answer["chosen"]
    print(f"columns {size['columns']}, leaves {size['size']}; most important: {answer['importances']}")


if __name__ == "__main__":
    main()
