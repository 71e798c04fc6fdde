"""What a sweep chooses: written, trained, compared with the test, and kept in MLflow."""

import csv
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_contracts.errors import ModelError
from data_contracts.progress import ProgressCallback
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from models.experiment.experiment import Experiment
from models.registry.registry import Registry
from models.registry.revision import code_revision
from models.sweeps.optimism import Scored, optimism, scored_test
from models.sweeps.suggestions import parameter_importances
from models.sweeps.sweep_plots import draw_sweep
from models.sweeps.trial_fits import judge_trial
from models.sweeps.trial_runs import SweepRun, SweepRuns
from models.sweeps.trials import Trial, choose_trial
from models.training.training import train
from pipelines.sweeps.experiment_text import experiment_toml
from pipelines.sweeps.result import SweepResult
from pipelines.sweeps.sweep_config import Search, SweepConfig
from pipelines.sweeps.trial_loop import TrialLoop


def choose(
    workspace: Workspace,
    search: Search,
    loop: TrialLoop,
    sweep: SweepRun,
    config: SweepConfig,
    history: History,
    *,
    progress: ProgressCallback,
) -> SweepResult:
    """Choose among the trials that have ended; write, and train, what was chosen as far as that is asked for."""
    trials = tuple(loop.finished[number] for number in sorted(loop.finished) if number <= config.trials)
    chosen = choose_trial(trials, search.metric, search.plan.choice)
    if chosen is None:
        raise _nothing(trials)
    experiment = search.space.apply(chosen.params)
    text = experiment_toml(experiment, (f"Chosen by `forewarn sweep`: trial {chosen.number} of run {sweep.run_id}.",))
    result = SweepResult(
        run_id=sweep.run_id,
        metric=search.metric,
        trials=trials,
        chosen=chosen,
        asked=config.trials,
        resumed=len(sweep.trials),
        seconds=0.0,
        importances=parameter_importances(search.space, search.metric, trials),
        text=text,
        model_name=experiment.model_name,
    )
    if config.out is not None:
        config.out.write_text(text, encoding="utf-8")
        result = replace(result, out=config.out)
    return _trained(workspace, loop, history, experiment, result, progress) if config.train else result


def _trained(
    workspace: Workspace,
    loop: TrialLoop,
    history: History,
    experiment: Experiment,
    result: SweepResult,
    progress: ProgressCallback,
) -> SweepResult:
    """Train what was chosen, register it, and compare its test with what the search saw."""
    trained = replace(train(experiment, history, progress=progress), tags={"sweep": result.run_id})
    version = Registry(workspace).register(trained, revision=code_revision())
    judged = judge_trial(loop.task(result.chosen.number, dict(result.chosen.params), stop_early=False))
    train_set = loop.inner.train
    inner = Scored(train_set["asset"].to_numpy(dtype=str), train_set["target"].to_numpy(np.float64), judged.predicted)
    compared = optimism(result.metric, inner, scored_test(trained))
    return replace(result, version=version, optimism=compared, test=trained.evaluation.metrics)


def keep(runs: SweepRuns, sweep: SweepRun, search: Search, result: SweepResult) -> None:
    """End the run of the search, with what people look for there: figures, plots, a table of trials, the file."""
    compared, chosen = result.optimism, result.chosen
    figures = {search.metric: chosen.score, f"{search.metric}_error": chosen.error, "chosen_trial": chosen.number}
    if compared is not None:
        figures |= {"inner": compared.inner, "outer": compared.outer, "optimism": compared.difference}
        figures |= {"optimism_low": compared.low, "optimism_high": compared.high}
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch)
        draw_sweep(result.trials, search.metric, chosen, result.importances, files / "plots")
        (files / "chosen.toml").write_text(result.text, encoding="utf-8")
        _write_table(result.trials, files / "trials.csv")
        runs.end(sweep, "FINISHED", figures, files)


def _write_table(trials: tuple[Trial, ...], file: Path) -> None:
    keys = sorted({key for trial in trials for key in trial.params})
    with file.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["trial", "state", "score", "error", "columns", "size", "seconds", *keys])
        for own in trials:
            values = [json.dumps(own.params[key]) if key in own.params else "" for key in keys]
            table.writerow([own.number, own.state, own.score, own.error, own.columns, own.size, own.seconds, *values])


def _nothing(trials: tuple[Trial, ...]) -> ModelError:
    reasons = [trial.reason for trial in trials if trial.reason]
    if reasons:
        return ModelError(f"no trial could be judged ({reasons[0]})", "a configuration that can be fitted", "Fix that")
    return ModelError(
        "the time was up before a trial had ended", "one trial at least", "Give more --timeout, or run it again"
    )
