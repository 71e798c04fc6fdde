"""Search for a better configuration of an experiment, and train what was chosen."""

import csv
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from data_contracts.errors import ModelError, UsageError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.history import History, open_history
from data_contracts.tracing.spans import traced
from data_contracts.workspace import Workspace
from models.experiment.experiment import Experiment
from models.experiment.sweep_plan import SearchMetric, SweepPlan
from models.registry.registry import Registry
from models.registry.revision import code_revision
from models.sweeps.feature_store import FeatureStore
from models.sweeps.inner_data import inner_data, refuse_unsearchable, with_named_test
from models.sweeps.optimism import Scored, optimism, scored_test
from models.sweeps.search_metrics import metric_of
from models.sweeps.search_space import SearchSpace, search_space
from models.sweeps.suggestions import parameter_importances, require_optuna
from models.sweeps.sweep_plots import draw_sweep
from models.sweeps.trial_fits import judge_trial, save_inner_data
from models.sweeps.trial_runs import SweepRun, SweepRuns, sweep_key
from models.sweeps.trials import Trial, choose_trial
from models.training.training import train
from pipelines.sweeps.experiment_text import experiment_toml
from pipelines.sweeps.result import SweepEffort, SweepResult
from pipelines.sweeps.trial_loop import Mapper, TrialLoop
from pipelines.sweeps.worker_processes import worker_processes

# What an engine of Dask has submitted at a time: two tasks a worker.
_SUBMITTED_A_WORKER = 2


@dataclass(frozen=True)
class SweepConfig:
    """How long to search, and what becomes of what is chosen."""

    trials: int = 60
    timeout: pd.Timedelta | None = None
    seed: int | None = None  # that of the experiment if None
    workers: int = 1
    train: bool = False  # whether to train and register what is chosen, and compare it with the test
    out: Path | None = None  # the file to write it to
    anew: bool = False  # whether to begin anew where the same search has begun

    def __post_init__(self) -> None:
        for name in ("trials", "workers"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name} {getattr(self, name)}", "a whole number from 1 on", "Fix it")
        if self.timeout is not None and self.timeout <= pd.Timedelta(0):
            raise UsageError(f"--timeout {self.timeout}", "a duration above zero such as 20m", "Fix it")


@dataclass(frozen=True)
class _Search:
    """What is searched, by what."""

    space: SearchSpace
    metric: SearchMetric
    plan: SweepPlan
    seed: int

    @property
    def key(self) -> str:
        plan = self.plan
        return sweep_key(self.space, self.metric, self.seed, vars(replace(plan, space={}, metric=self.metric)))


def plan_sweep(experiment: Experiment, config: SweepConfig, *, contracts: Path | None = None) -> SweepEffort:
    """Return what a sweep would search, and how many fits it takes at most."""
    search = _search(experiment, config, contracts)
    steps = search.plan.steps if experiment.split.kind == "time" else 1
    fits = (config.trials + 1) * search.plan.folds * steps
    return SweepEffort(search.metric, search.space.to_dict(), config.trials, fits)


@traced("sweep")
def run_sweep(
    workspace: Workspace,
    experiment: Experiment,
    config: SweepConfig,
    *,
    now: pd.Timestamp,
    contracts: Path | None = None,
    engine: BlockEngine | None = None,
    say: Callable[[str], None] = lambda _: None,
    progress: ProgressCallback = silent,
) -> SweepResult:
    """Search the training period of an experiment for a better configuration; a search that was cut off goes on.

    Trials are judged by `engine` if there is one, otherwise by `config.workers` processes, otherwise by this one. The
    test is looked at once, if at all: after the choice, to train and to measure the search's optimism.
    """
    began = time.time()
    _refuse_unwritable(config.out)
    search = _search(experiment, config, contracts)
    runs = SweepRuns(workspace)
    sweep, history = _open(workspace, runs, search, config, now=now, engine=engine)
    if sweep.trials:
        say(f"{len(sweep.trials)} trials of this search have ended before; --anew begins without them")
    search = replace(search, space=replace(search.space, base=with_named_test(search.space.base, history)))
    folder = workspace.root / "sweeps" / sweep.run_id
    try:
        loop = _loop(search, sweep, history, config, folder, engine=engine, progress=progress, began=began)
        with _mapper(config, engine) as mapper:
            record = lambda trial: runs.record(sweep, trial, search.metric)  # noqa: E731 - one line, used once
            loop.run(config.trials, record, mapper=mapper, progress=progress)
        result = _choose(workspace, search, loop, sweep, config, history, progress=progress)
        result = replace(result, seconds=time.time() - began)
        _keep(runs, sweep, search, result)
    except BaseException as error:
        runs.end(sweep, "KILLED" if isinstance(error, KeyboardInterrupt | SystemExit) else "FAILED")
        raise
    shutil.rmtree(folder, ignore_errors=True)
    return result


def _search(experiment: Experiment, config: SweepConfig, contracts: Path | None) -> _Search:
    require_optuna()
    refuse_unsearchable(experiment)
    space, plan = search_space(experiment, contracts=contracts), experiment.sweep or SweepPlan()
    return _Search(space, metric_of(experiment), plan, space.base.seed if config.seed is None else config.seed)


def _open(
    workspace: Workspace,
    runs: SweepRuns,
    search: _Search,
    config: SweepConfig,
    *,
    now: pd.Timestamp,
    engine: BlockEngine | None,
) -> tuple[SweepRun, History]:
    """Go on with the same search on the tables as it read them, or begin; a finished one counts for the same tables."""
    base, key = search.space.base, search.key
    found = None if config.anew else runs.find(base.name, key)
    pinned = found.versions if found is not None and not found.finished else None
    data = base.data
    history = open_history(
        workspace, data.asset_type, plant=data.plant, as_of=now, versions=pinned, engine=engine, checked=True
    )
    if found is not None and found.versions == dict(history.versions):
        runs.go_on(found)
        return found, history
    params = {"trials": config.trials, "seed": search.seed, "metric": search.metric, "folds": search.plan.folds}
    return runs.begin(search.space, key, history.versions, {**params, "steps": search.plan.steps}), history


def _loop(
    search: _Search,
    sweep: SweepRun,
    history: History,
    config: SweepConfig,
    folder: Path,
    *,
    engine: BlockEngine | None,
    progress: ProgressCallback,
    began: float,
) -> TrialLoop:
    inner = inner_data(search.space, history, search.plan)
    save_inner_data(inner, folder)
    lag = config.workers if engine is None else _SUBMITTED_A_WORKER * engine.workers
    return TrialLoop(
        space=search.space,
        metric=search.metric,
        seed=search.seed,
        folder=folder,
        inner=inner,
        store=FeatureStore(folder, inner.history, inner.train[["asset", "as_of"]], keep_trials=lag, progress=progress),
        finished={trial.number: trial for trial in sweep.trials},
        deadline=float("inf") if config.timeout is None else began + config.timeout.total_seconds(),
        lag=lag,
    )


def _mapper(config: SweepConfig, engine: BlockEngine | None) -> AbstractContextManager[Mapper | None]:
    if engine is not None:
        return nullcontext(engine)
    return worker_processes(config.workers) if config.workers > 1 else nullcontext(None)


def _choose(
    workspace: Workspace,
    search: _Search,
    loop: TrialLoop,
    sweep: SweepRun,
    config: SweepConfig,
    history: History,
    *,
    progress: ProgressCallback,
) -> SweepResult:
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
    told = optimism(result.metric, inner, scored_test(trained))
    return replace(result, version=version, optimism=told, test=trained.evaluation.metrics)


def _keep(runs: SweepRuns, sweep: SweepRun, search: _Search, result: SweepResult) -> None:
    """End the run of the search, with what people look for there: figures, plots, a table of trials, the file."""
    told, chosen = result.optimism, result.chosen
    figures = {search.metric: chosen.score, f"{search.metric}_error": chosen.error, "chosen_trial": chosen.number}
    if told is not None:
        figures |= {"inner": told.inner, "outer": told.outer, "optimism": told.difference}
        figures |= {"optimism_low": told.low, "optimism_high": told.high}
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


def _refuse_unwritable(out: Path | None) -> None:
    if out is None:
        return
    if out.suffix != ".toml" or out.exists() or not out.resolve().parent.is_dir():
        found = f"{out} exists" if out.exists() else f"{out} is no new file ending in .toml in a folder that exists"
        raise UsageError(found, "a new file such as chosen.toml", "Choose another name, or remove the file")
