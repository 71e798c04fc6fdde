"""Remaining life, wear and worn-out tools of a real turning data set, beside a random forest by hand.

    python benchmarks/bench_turning_wear.py .../turning_wear/Dataset_Machine_tool_wear.csv --what life wear crossing

The experiments are those that `forewarn data report --experiment` writes. The forest by hand is scikit-learn's with its
own defaults, on the row itself and its number; it learns from the same samples and labels, and both are judged on the
same. Each tool is predicted by models without it, and then five tools at a time, drawn by the seeds 0, 1
and so on as `split.test_share = 0.385` draws them. The difference is ours less the forest's, tool by tool, with a 95 %
interval by Student's t over the tools.
"""

import argparse
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits

from data_contracts.tables.history import History, read_history
from data_contracts.workspace import open_workspace
from models.estimators import estimators
from models.experiment.condition_outcomes import outcome_history
from models.experiment.experiment import Experiment
from models.experiment.experiment_file import load_experiment
from models.training.fitting import fit_model, predict_test
from models.training.samples import draw_samples
from models.training.training import latest_known_time
from pipelines.cli import main as forewarn

WORN = ("--condition", "Vb", "--threshold", "300")
WHAT = {
    "life": ("--target", "remaining_life", *WORN),
    "wear": ("--target", "condition", "--condition", "Vb"),
    "crossing": ("--target", "failure", *WORN, "--horizon", "20h"),
}
TRUTH = {"life": "remaining_life_h", "wear": "condition", "crossing": "state"}


@dataclass(frozen=True)
class Bench:
    """The stored tools, their rows as the file has them, and what is predicted."""

    what: str
    experiment: Experiment
    history: History
    rows: pd.DataFrame  # by tool and number of the row, the columns that the forest sees

    def split(self, tools: Sequence[str]) -> pd.DataFrame:
        """Predict tools by models without them: tool, truth, ours, hand."""
        fold = self.experiment.with_split(kind="asset", test=tuple(tools), test_share=None)
        samples = draw_samples(fold, self.history, latest_known_time(self.history))
        if self.truth(samples.test).isna().all():
            return pd.DataFrame()
        fitted = fit_model(fold, self.history, samples, step=itertools.repeat(None))
        frame = predict_test(fitted, samples.test).frame
        truth = self.truth(frame)
        forest = RandomForestClassifier if self.what == "crossing" else RandomForestRegressor
        with threadpool_limits(limits=1):
            by_hand = forest(random_state=0).fit(self.of(samples.train), samples.target)
            predict = by_hand.predict if self.what != "crossing" else lambda x: by_hand.predict_proba(x)[:, 1]
            hand = predict(self.of(frame))
        judged = pd.DataFrame({"tool": frame["asset"], "truth": truth, "ours": frame["prediction"], "hand": hand})
        return judged[judged["truth"].notna()]

    def truth(self, frame: pd.DataFrame) -> "pd.Series[float]":
        """Return what happened; NaN where it is not known."""
        values = frame[TRUTH[self.what]]
        if self.what == "crossing":
            return values.map({"positive": 1.0, "negative": 0.0})
        return values.clip(upper=self.experiment.label.cap / pd.Timedelta("1h")) if self.what == "life" else values

    def of(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what the forest sees of samples."""
        number = ((frame["as_of"] - pd.Timestamp("2000-01-01", tz="UTC")) / pd.Timedelta("1h")).round().astype(int)
        return self.rows.loc[pd.MultiIndex.from_arrays([frame["asset"], number])].to_numpy()


def prepare(csv: Path, what: str) -> Bench:
    """Import the file and write the experiment as a user does."""
    command("contract", "infer", csv, "--asset-type", "tool", "--out", "tool.odcs.yaml")
    command("import", "files", "--contract", "tool.odcs.yaml", "--telemetry", csv)
    command("data", "report", *WHAT[what], "--experiment", "tool.toml")
    rows = pd.read_csv(csv)
    tools = rows.pop("tool").astype(str)
    rows = rows.drop(columns="Vb").assign(row=rows.groupby(tools).cumcount() + 1)
    rows = rows.set_index(pd.MultiIndex.from_arrays([tools, rows["row"].to_numpy()]))
    workspace = open_workspace(Path(".forewarn"), os.environ)
    return Bench(what, load_experiment(Path("tool.toml")), read_history(workspace, "tool"), rows)


def command(*arguments: object) -> None:
    """Run a command of forewarn's in the current folder, and print nothing."""
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            status = forewarn([*map(str, arguments), "--json"])
    except SystemExit as ended:
        status = ended.code
    if status:
        raise SystemExit(f"forewarn {arguments[0]} ended with {status}")


def splits(tools: Sequence[str], seeds: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each tool alone, and five tools for each seed."""
    yield from (("one tool", (tool,)) for tool in tools)
    for seed in range(seeds):
        yield (
            "five tools",
            tuple(np.random.default_rng(seed).permutation(np.array(tools, dtype=object).astype(str))[:5]),
        )


def errors(judged: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the RMSE of ours and of the forest's by some columns."""
    squares = judged.assign(**{name: (judged[name] - judged["truth"]) ** 2 for name in ("ours", "hand")})
    return np.sqrt(squares.groupby(list(by))[["ours", "hand"]].mean())


def report(kind: str, judged: pd.DataFrame, *, ranking: bool) -> None:
    """Print the figures of a family of splits."""
    if ranking:
        areas = {
            name: [
                (roc_auc_score(part["truth"], part[name]), average_precision_score(part["truth"], part[name]))
                for _, part in judged.groupby("split")
                if part["truth"].nunique() == 2
            ]
            for name in ("ours", "hand")
        }
        for name, values in areas.items():
            roc, pr = np.mean(values, axis=0)
            print(f"{kind}, {name}: ROC AUC {roc:.3f}, PR AUC {pr:.3f}, means of {len(values)} splits")
        return
    pooled = errors(judged.assign(all=0), ["all"]).iloc[0]
    by_split, by_tool = errors(judged, ["split"]), errors(judged, ["tool"])
    difference = by_tool["ours"] - by_tool["hand"]
    low, high = stats.t.interval(0.95, len(difference) - 1, difference.mean(), stats.sem(difference))
    print(f"{kind}: {len(judged):,} predictions, pooled RMSE ours {pooled['ours']:.2f}, forest {pooled['hand']:.2f}")
    means = by_split.mean()
    print(f"  mean over {len(by_split)} splits: ours {means['ours']:.2f}, forest {means['hand']:.2f}")
    print(f"  difference by tool {difference.mean():+.2f} ({low:+.2f} to {high:+.2f})")
    print(by_tool.round(1).T.to_string(), flush=True)


def run(csv: Path, what: str, seeds: int, estimator: Sequence[str]) -> None:
    """Measure one target."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        bench = prepare(csv, what)
        experiment = bench.experiment.with_overrides(estimator)
        bench = Bench(what, experiment, bench.history, bench.rows)
        tools = sorted(bench.history.telemetry["asset"].unique())
        parts: dict[str, list[pd.DataFrame]] = {}
        for number, (kind, held_out) in enumerate(splits(tools, seeds)):
            parts.setdefault(kind, []).append(bench.split(held_out).assign(split=number))
            print(end=".", file=sys.stderr, flush=True)
        print(f"{what} by {experiment.estimator.kind}")
        for kind, frames in parts.items():
            report(kind, pd.concat(frames), ranking=what == "crossing")
        os.chdir("/")


CANDIDATES = {
    "random forest, a third of the columns": ("random_forest", {"max_features": 1 / 3}, 1),
    "random thresholds, a third of the columns": ("extremely_randomized_trees", {}, 1),
    "random thresholds, all columns": ("extremely_randomized_trees", {"max_features": 1.0}, 1),
    "random thresholds, with the means of 12 rows": ("extremely_randomized_trees", {}, 12),
}


def nested(csv: Path) -> None:
    """Choose an estimator for each worn tool by leaving out each of the others in turn, and predict it by that one."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        bench = prepare(csv, "life")
        os.chdir("/")
    samples = draw_samples(bench.experiment, bench.history, latest_known_time(bench.history)).train
    means = bench.rows.groupby(level=0, group_keys=False).rolling(12, min_periods=1).mean().droplevel(0)
    tables = {1: bench.of(samples), 12: np.hstack([bench.of(samples), replace(bench, rows=means).of(samples)])}
    tool, target = samples["asset"].to_numpy(), samples["target"].to_numpy()
    failed = np.isin(tool, crossed_tools(bench))
    worn, squares = np.unique(tool[failed]), {}
    for (name, (kind, params, rows)), (left, right) in itertools.product(
        CANDIDATES.items(), itertools.combinations_with_replacement(worn, 2)
    ):
        out = np.isin(tool, [left, right])
        model = estimators.make(kind, "remaining_life", {"n_estimators": 60, **params}, 0)
        predicted = estimators.predict(estimators.fit(model, tables[rows][~out], target[~out]), tables[rows])
        for held_out, judged in ((left, right), (right, left)):
            squares[name, held_out, judged] = (predicted - target)[tool == judged] ** 2
    chosen = []
    for held_out in worn:
        inner = {
            name: np.sqrt(
                np.mean(np.concatenate([squares[name, held_out, other] for other in worn if other != held_out]))
            )
            for name in CANDIDATES
        }
        best = min(inner, key=lambda each: inner[each])
        chosen.append(squares[best, held_out, held_out])
        print(f"without {held_out}: {best}, {inner[best]:.2f} on the others, {np.sqrt(chosen[-1].mean()):.2f} on it")
    print(f"nested: RMSE {np.sqrt(np.concatenate(chosen).mean()):.2f}")


def crossed_tools(bench: Bench) -> list[str]:
    """Return the tools that were worn."""
    return sorted(outcome_history(bench.experiment, bench.history).failures["asset"].unique())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--what", nargs="+", choices=list(WHAT), default=list(WHAT))
    parser.add_argument("--seeds", type=int, default=20, help="how many times five tools are held out")
    parser.add_argument(
        "--set", action="append", default=[], help="a key of the experiment to change, as in `forewarn train`"
    )
    parser.add_argument("--tools", action="store_true", help="each tool alone only")
    parser.add_argument(
        "--nested", action="store_true", help="choose the estimator of remaining life on the tools left in"
    )
    given = parser.parse_args()
    if given.nested:
        nested(given.csv.resolve())
        sys.exit()
    for each in given.what:
        run(given.csv.resolve(), each, 0 if given.tools else given.seeds, given.set)
