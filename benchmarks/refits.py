"""Whether refits predict better than the models that were judged, and which of them the check of agreement refuses.

    python benchmarks/refits.py --seeds 31 32 33 --days 275
    python benchmarks/refits.py --seeds 34 35 36 --days 330 --change-day 190

Simulates fleets. Every 28 days, from day 120 on, a model is trained as `forewarn retrain` trains a challenger, with the
last 21 days held out, and then refitted to all that is known by that day. Both predict the next 28 days, and the errors
of both are counted. The same once more with faulty reports of the last 21 days: none arrived, or they name other
machines. One line of JSON for each day, then the totals.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.tables.history import History, read_history
from data_contracts.workspace import init_workspace
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from models.experiment.experiment import Experiment
from models.experiment.experiment_file import load_experiment
from models.labels.observed_cut_offs import observed_cut_offs
from models.outcomes.outcomes import Terms, outcomes
from models.refitting.agreement import RefitAgreement, agreement
from models.refitting.refit import Judged, refit
from models.training.samples import observation_rule, required_terms
from models.training.training import train
from pipelines.demo.story import DAY, START
from pipelines.fleet.scenario import make_scenario
from pipelines.fleet.simulation import Fleet
from pipelines.importers.batch import import_batch
from pipelines.retraining.challenger import challenger_experiment
from pipelines.settings.sections import RetrainSettings

EXPERIMENT = Path(__file__).parents[1] / "pipelines" / "experiments" / "fleet.toml"
FEWER = ("windows.stride=24h", "estimator.params.n_estimators=80", "estimator.params.learning_rate=0.1")
FIRST, HOLDOUT, AHEAD = 120, 21 * DAY, 28 * DAY
MISSED = 4  # what a missed failure costs, in false alarms
FAULTS = ("unreported", "mixed_up")


def simulate(seed: int, machines: int, days: int, change_day: int) -> History:
    with tempfile.TemporaryDirectory() as folder:
        workspace = init_workspace(Path(folder))
        scenario = make_scenario("process_change", change_day) if change_day else make_scenario("none", days)
        end = START + days * DAY
        import_batch(workspace, Fleet(seed, machines, start=START, scenario=scenario).advance(end), now=end)
        return read_history(workspace, "cnc_machine")


def scored(artifact: Artifact, history: History, cut_offs: pd.DataFrame) -> pd.DataFrame:
    scores = score(artifact, history, cut_offs)
    return scores.assign(prediction=scores["probability"])


def errors(predictions: pd.DataFrame, history: History, terms: Terms, at: pd.Timestamp) -> dict[str, int]:
    """Count the failures and false alarms of (at, at + AHEAD], with everything known later."""
    end = at + AHEAD
    known = outcomes(predictions, history.failures, history.work_orders, now=end + AHEAD, terms=terms)
    failures, episodes = known.failures, known.episodes
    failures = failures[(failures["event_time"] > at + terms.claim) & (failures["event_time"] <= end)]
    return {
        "failures": len(failures),
        "missed": int((failures["state"] == "missed").sum()),
        "false": int((episodes[episodes["opened"] > at]["state"] == "fp").sum()),
    }


def reports(known: History, at: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """Failures as reported; without those of the holdout; with those of the holdout at other machines."""
    rows = known.failures
    recent = (rows["event_time"] > at - HOLDOUT).to_numpy()
    moved = rows.copy()
    assets = np.sort(known.assets["asset"].astype(str).unique())
    moved.loc[recent, "asset"] = np.random.default_rng(1).choice(assets, recent.sum())
    return {"as_reported": rows, "unreported": rows[~recent].reset_index(drop=True), "mixed_up": moved}


def one_day(history: History, base: Experiment, at: pd.Timestamp) -> dict[str, Any]:
    known = history.as_of(at)
    experiment = challenger_experiment(base, now=at, holdout=HOLDOUT, history=None)
    trained = train(experiment, known, known_until=at)
    judged = Judged(2, trained.artifact, experiment, trained.trained_until)
    terms, rule = required_terms(experiment, known, at), observation_rule(experiment)
    ahead = observed_cut_offs(history, experiment.windows.stride, rule, start=at, end=at + AHEAD).cut_offs
    before = scored(judged.artifact, history, ahead)
    result: dict[str, Any] = {"day": int((at - START) / DAY), "judged": errors(before, history, terms, at)}
    for name, failures in reports(known, at).items():
        again = refit(judged, replace(known, failures=failures), known_until=at)
        after = scored(again.trained.artifact, history, ahead)
        result[name] = {
            "refit": errors(after, history, terms, at),
            "agreement": again.agreement(terms).to_dict(),
            "future": agreement(before, after, terms).to_dict(),
        }
    return result


def run(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for seed in options.seeds:
        history = simulate(seed, options.machines, options.days, options.change_day)
        base = load_experiment(EXPERIMENT, FEWER)
        for day in range(FIRST, options.days - 34, 28):
            yield {"seed": seed, **one_day(history, base, START + day * DAY)}


def totals(results: list[dict[str, Any]], limit: float) -> Iterator[str]:
    def agrees(result: dict[str, Any], reported: str) -> bool:
        return RefitAgreement.from_dict(result[reported]["agreement"]).check(limit).agrees

    served = {
        "judged": [result["judged"] for result in results],
        "refit": [result["as_reported"]["refit"] for result in results],
        "refit if it agrees": [
            result["as_reported"]["refit"] if agrees(result, "as_reported") else result["judged"] for result in results
        ],
    }
    first = np.array([MISSED * each["missed"] + each["false"] for each in served["judged"]], dtype=np.float64)
    for name, counts in served.items():
        costs = np.array([MISSED * each["missed"] + each["false"] for each in counts], dtype=np.float64)
        extra = costs - first
        missed, failures, false = (sum(each[key] for each in counts) for key in ("missed", "failures", "false"))
        error = extra.std(ddof=1) / np.sqrt(len(extra)) / first.mean()
        yield (
            f"{name}: {missed} of {failures} missed, {false} false alarms, cost {costs.sum():.0f} "
            f"({extra.mean() / first.mean():+.1%}, standard error {error:.1%})"
        )
    for reported in ("as_reported", *FAULTS):
        yield f"{reported}: {sum(agrees(result, reported) for result in results)} of {len(results)} refits agree"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=40)
    parser.add_argument("--days", type=int, default=275)
    parser.add_argument("--seeds", type=int, nargs="+", default=[31, 32, 33])
    parser.add_argument("--change-day", type=int, default=0, help="when the process changes; 0 for never")
    parser.add_argument("--limit", type=float, default=RetrainSettings().refit_limit)
    options = parser.parse_args()
    results = []
    for result in run(options):
        results.append(result)
        print(json.dumps(result), flush=True)
    sys.stderr.write("\n".join(totals(results, options.limit)) + "\n")


if __name__ == "__main__":
    main()
