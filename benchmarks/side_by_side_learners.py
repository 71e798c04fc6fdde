"""forewarn's experiments beside scikit-learn's learners, in one table: the same samples, labels and splits.

    python benchmarks/side_by_side_learners.py DATASETS --out FOLDER
    python benchmarks/side_by_side_learners.py DATASETS --out FOLDER --data azure --seeds 7 1

DATASETS holds ``turning_wear``, ``azure_pdm`` and ``cmapss`` in their original form. Ours are the shipped experiments
``azure`` and ``fd001``, and those that `forewarn data report --experiment` writes for the turning tools, each of which
is predicted by models of the others. The peers have scikit-learn's own defaults, medians for missing numbers and
standardised columns where a linear model needs both. They learn from the same samples, first with forewarn's features,
then with `plain_features`. Their alert threshold is chosen as ours is, on predictions out of fold, and lives are
limited to what a label can be.

Each prediction is kept in FOLDER: a run that was stopped goes on. Differences are ours less the peer's, with 95 %
intervals by asset (`paired_by_asset`). Exit status 1 if ours is significantly behind a peer in any figure; with so many
intervals, one in forty would be by chance alone.
"""

import argparse
import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import paired_by_asset as paired
from benchmarks.bench_turning_wear import prepare
from benchmarks.plain_features import plain_features
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import init_workspace
from features.extraction.extract import extract
from models.artifact.artifact import feature_matrix
from models.assessment.thresholds import choose_threshold, count_in_vain, peak_before
from models.estimators import estimators
from models.experiment.condition_outcomes import outcome_history
from models.experiment.experiment import Experiment
from models.experiment.experiment_file import load_experiment
from models.labels.labels import LabelState
from models.outcomes.outcomes import known_failures
from models.training.column_selection import choose_columns, drop_uninformative, learn_recipe
from models.training.fitting import fit_model, predict_test
from models.training.out_of_fold import folds
from models.training.samples import Samples, draw_samples, required_terms
from models.training.training import latest_known_time
from pipelines.importers.azure_pdm import read_azure_pdm
from pipelines.importers.batch import Batch, import_batch
from pipelines.importers.cmapss import read_cmapss

NOW = pd.Timestamp("2026-01-01", tz="UTC")
EXPERIMENTS = Path(__file__).parents[1] / "pipelines" / "experiments"
TURNING = Path("turning_wear") / "Dataset_Machine_tool_wear.csv"
SEEDS = (7, 1, 2, 3, 4)
OURS = "forewarn"
FEATURES = ("forewarn's", "plain")


def linear(kind: Callable[[], object]) -> object:
    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), kind())


PEERS: dict[str, Callable[[bool, int], object]] = {
    "random forest": lambda fails, seed: (RandomForestClassifier if fails else RandomForestRegressor)(
        random_state=seed
    ),
    "extra trees": lambda fails, seed: (ExtraTreesClassifier if fails else ExtraTreesRegressor)(random_state=seed),
    "histogram boosting": lambda fails, seed: (
        HistGradientBoostingClassifier if fails else HistGradientBoostingRegressor
    )(random_state=seed),
    "logistic regression": lambda fails, _: linear(LogisticRegression if fails else Ridge),
}

LEARNERS = ((OURS, FEATURES[0]), *itertools.product(PEERS, FEATURES))


@dataclass(frozen=True, eq=False)
class Case:
    """Data to predict, and how they are split."""

    name: str
    experiment: Experiment
    history: History
    splits: tuple[Experiment, ...]  # whose test samples are pooled
    plain_windows: tuple[pd.Timedelta, ...]

    @property
    def fails(self) -> bool:
        """Whether failures are predicted, rather than lives."""
        return self.experiment.target == "failure"


@dataclass(frozen=True)
class Fold:
    """The samples of one split with both sets of features."""

    experiment: Experiment
    samples: Samples
    train: dict[str, np.ndarray]
    test: dict[str, np.ndarray]


def imported(batch: Batch, experiment: str) -> tuple[Experiment, History]:
    """Import a batch, and return the shipped experiment with its history; intervals change no prediction."""
    read = load_experiment(EXPERIMENTS / f"{experiment}.toml", ["evaluation.interval_level=0"])
    with tempfile.TemporaryDirectory() as folder:
        workspace = init_workspace(Path(folder))
        import_batch(workspace, batch, now=NOW)
        return read, read_history(workspace, batch.asset_type, plant=read.data.plant)


def azure(datasets: Path) -> Case:
    experiment, history = imported(read_azure_pdm(datasets / "azure_pdm"), "azure")
    return Case("Azure, failures", experiment, history, (experiment,), hours(3, 24))


def fd001(datasets: Path) -> Case:
    experiment, history = imported(read_cmapss(datasets / "cmapss", "FD001"), "fd001")
    return Case("FD001, lives", experiment, history, (experiment,), hours(30))


def turning(datasets: Path, what: str) -> Case:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            bench = prepare((datasets / TURNING).resolve(), what)
        finally:
            os.chdir(before)
    experiment = bench.experiment.with_overrides(["evaluation.interval_level=0"])
    tools = sorted(bench.history.telemetry["asset"].unique())
    splits = tuple(experiment.with_split(kind="asset", test=(tool,), test_share=None) for tool in tools)
    name = {"life": "turning, lives", "crossing": "turning, worn within 20"}[what]
    return Case(name, experiment, bench.history, splits, hours(1, 12))


def hours(*numbers: int) -> tuple[pd.Timedelta, ...]:
    return tuple(pd.Timedelta(hours=number) for number in numbers)


CASES: dict[str, Callable[[Path], Case]] = {
    "turning-life": partial(turning, what="life"),
    "turning-worn": partial(turning, what="crossing"),
    "azure": azure,
    "fd001": fd001,
}


@cache
def prepared(case: Case, number: int) -> Fold | None:
    """Draw the samples of a split and compute both sets of features; None where nothing can be tested."""
    split = case.splits[number]
    samples = draw_samples(split, case.history, latest_known_time(case.history))
    if truth(case, samples.test).isna().all():
        return None
    n = len(samples.train)
    recipe = learn_recipe(split, case.history, samples.train)
    recipe = choose_columns(split, case.history, recipe, samples).reduce(recipe)
    cut_offs = pd.concat([samples.train, samples.test])[["asset", "as_of"]]
    computed = extract(case.history, cut_offs, recipe)
    columns = drop_uninformative(recipe, computed.iloc[:n]).output
    plain = plain_features(case.history, split, cut_offs, case.plain_windows)
    both = dict(zip(FEATURES, (feature_matrix(computed, columns), plain), strict=True))
    return Fold(split, samples, {k: x[:n] for k, x in both.items()}, {k: x[n:] for k, x in both.items()})


def truth(case: Case, test: pd.DataFrame) -> "pd.Series[float]":
    """Return what happened; NaN where it is not known."""
    if case.fails:
        return test["state"].map({LabelState.POSITIVE: 1.0, LabelState.NEGATIVE: 0.0}).astype(float)
    return test["remaining_life_h"].clip(upper=longest_life(case.experiment)).astype(float)


def longest_life(experiment: Experiment) -> float:
    """Return the hours that lives are capped at."""
    return np.inf if experiment.label.cap is None else experiment.label.cap / pd.Timedelta(hours=1)


def predict_ours(case: Case, fold: Fold, seed: int) -> pd.DataFrame:
    """Predict by the experiment as `forewarn train` does."""
    seeded = replace(fold.experiment, seed=seed)
    fitted = fit_model(seeded, case.history, fold.samples, step=itertools.repeat(None))
    return predict_test(fitted, fold.samples.test).frame


def predict_peer(case: Case, fold: Fold, seed: int, learner: str, features: str) -> pd.DataFrame:
    """Predict by one of scikit-learn's learners; failures with a threshold chosen as forewarn chooses it."""
    x, samples, make = fold.train[features], fold.samples, partial(PEERS[learner], case.fails, seed)
    prediction = estimators.predict(estimators.fit(make(), x, samples.target), fold.test[features])
    if not case.fails:
        limited = np.clip(prediction, 0.0, longest_life(fold.experiment))
        return samples.test.assign(prediction=limited, alert=False)
    return samples.test.assign(prediction=prediction, alert=prediction >= threshold(case, fold, x, make))


def threshold(case: Case, fold: Fold, x: np.ndarray, make: Callable[[], object]) -> float:
    """Choose a peer's threshold on its predictions out of fold, as `models.training.fitting` does."""
    train, target = fold.samples.train, fold.samples.target
    predicted = np.full(len(train), np.nan)
    for learn, predict in folds(fold.experiment, train, fold.experiment.purge):
        if predict.any() and np.unique(target[learn]).size == 2:
            predicted[predict] = estimators.predict(estimators.fit(make(), x[learn], target[learn]), x[predict])
    known_until = train["as_of"].max() + fold.experiment.purge
    terms = required_terms(fold.experiment, case.history, known_until)
    failures = known_failures(outcome_history(fold.experiment, case.history).failures, known_until, terms.breakdown)
    decided = train[["asset", "as_of", "state"]].assign(probability=predicted).dropna(subset=["probability"])
    prices = {"missed_failure": case.experiment.costs.missed_failure, "false_alarm": case.experiment.costs.false_alarm}
    return choose_threshold(decided.reset_index(drop=True), failures, terms=terms, **prices).value


def predict_missing(case: Case, out: Path, seed: int) -> None:
    """Predict by every learner what is not in the folder yet."""
    for learner, features in LEARNERS:
        file = stored(case, out, learner, features, seed)
        if not file.exists():
            print(f"{case.name}: {learner}, {features}, seed {seed}", file=sys.stderr, flush=True)
            predict = predict_ours if learner == OURS else partial(predict_peer, learner=learner, features=features)
            folds_of = (prepared(case, number) for number in range(len(case.splits)))
            parts = [predict(case, own, seed) for own in folds_of if own is not None]
            pd.concat(parts, ignore_index=True).to_parquet(file.with_suffix(".new"))
            file.with_suffix(".new").rename(file)


def stored(case: Case, out: Path, learner: str, features: str, seed: int) -> Path:
    return out / f"{case.name} {learner} {features} {seed}.parquet".replace(" ", "-")


def scored(case: Case, frame: pd.DataFrame) -> pd.DataFrame:
    """Return asset (number), truth, prediction and alert of what is scored, and what the errors cost."""
    ordered = frame.sort_values(["asset", "as_of"], ignore_index=True)
    ordered = ordered.assign(truth=truth(case, ordered), cost=costs(case, ordered) if case.fails else 0.0)
    if not case.fails:
        ordered = ordered[ordered["truth"].notna()]
    if case.experiment.split.score_at == "last":
        ordered = ordered.drop_duplicates("asset", keep="last")
    return ordered.assign(asset=pd.factorize(ordered["asset"])[0])[["asset", "truth", "prediction", "alert", "cost"]]


def costs(case: Case, ordered: pd.DataFrame) -> np.ndarray:
    """Return what missed failures and false alarm episodes cost, booked on the first row of their asset.

    They are counted as forewarn evaluates a model: failures whose whole time to be announced lies within the test.
    """
    known_until = latest_known_time(case.history)
    terms = required_terms(case.experiment, case.history, known_until)
    failures = known_failures(
        outcome_history(case.experiment, case.history).failures, known_until + terms.maturity, terms.breakdown
    )
    first, last = ordered["as_of"].min(), min(ordered["as_of"].max(), known_until - terms.maturity)
    event = failures["event_time"]
    failures = failures[(event > first + terms.claim) & (event <= last + terms.claim)]
    alert = ordered["alert"].to_numpy(np.bool_)
    peaks = peak_before(ordered.assign(probability=alert.astype(float)), failures, terms)
    matured = (ordered["as_of"] <= last).to_numpy()
    in_vain = ordered["state"].isin([LabelState.NEGATIVE, LabelState.TOO_LATE]).to_numpy()
    by_asset = pd.Series(count_in_vain(ordered[matured], alert[matured], in_vain[matured], terms), dtype=float)
    by_asset.index = pd.Index(ordered.loc[matured, "asset"].unique())
    by_asset *= case.experiment.costs.false_alarm
    missed = peaks.loc[peaks["peak"] < 1, "asset"].value_counts() * case.experiment.costs.missed_failure
    total = by_asset.add(missed, fill_value=0.0)
    return np.where(ordered["asset"].duplicated(), 0.0, ordered["asset"].map(total).fillna(0.0))


LARGER_IS_BETTER = ("PR AUC", "F1")


def figures(case: Case) -> dict[str, paired.Figure]:
    """Return what a case is judged by; NASA's score is of one prediction an asset."""
    if case.fails:
        return {"PR AUC": paired.pr_auc, "F1": paired.f1, "cost": paired.cost}
    life: dict[str, paired.Figure] = {"RMSE": paired.rmse}
    return life | ({"NASA score": paired.nasa_score} if case.experiment.split.score_at == "last" else {})


def add_rows(table: Table, case: Case, out: Path, seeds: Sequence[int]) -> list[str]:
    """Add a case to the table; return the comparisons in which ours is significantly behind."""
    behind: list[str] = []
    ours: list[pd.DataFrame] = []
    for learner, features in LEARNERS:
        peer = [scored(case, pd.read_parquet(stored(case, out, learner, features, seed))) for seed in seeds]
        ours = ours or peer
        name = "ridge" if learner == "logistic regression" and not case.fails else learner
        cells = []
        for label, figure in figures(case).items():
            digits = 3 if label in LARGER_IS_BETTER else 2 if label == "RMSE" else 0
            value = f"{label} {paired.figure_of(figure, peer):.{digits}f}"
            if learner != OURS:
                d = paired.difference(figure, ours, peer)
                value += f" ({d.value:+.{digits}f}: {d.low:+.{digits}f} to {d.high:+.{digits}f})"
                if (d.high < 0) if label in LARGER_IS_BETTER else (d.low > 0):
                    behind.append(f"{case.name}, {name}, {features} features: {value}")
            cells.append(value)
        table.add_row(case.name, name, features, *cells, *[""] * (3 - len(cells)))
    return behind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="where predictions are kept")
    parser.add_argument("--data", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table = Table("data", "learner", "features", "", "", "", box=box.MARKDOWN)
    behind = []
    cases = [CASES[name](options.datasets) for name in options.data]
    # Seed by seed, so that a run that is stopped has something of everything.
    for seed, case in itertools.product(options.seeds, cases):
        predict_missing(case, options.out, seed)
    for case in cases:
        behind += add_rows(table, case, options.out, options.seeds)
    Console(width=220).print(table)
    print(f"means of {len(options.seeds)} seeds; in brackets ours less the peer's, with 95 % intervals by asset")
    print("\n".join(["significantly behind:", *behind]) if behind else "nowhere significantly behind")
    sys.exit(1 if behind else 0)


if __name__ == "__main__":
    main()
