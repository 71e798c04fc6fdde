"""Search for a better configuration of an experiment, and train what was chosen."""

import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.records.leases import hold_lease, release_if_dead
from data_contracts.records.records import open_records
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.history import History, open_history
from data_contracts.tracing.spans import traced
from data_contracts.workspace import Workspace
from models.experiment.experiment import Experiment
from models.sweeps.feature_store import FeatureStore
from models.sweeps.inner_data import inner_data, with_named_test
from models.sweeps.trial_fits import save_inner_data
from models.sweeps.trial_runs import SweepRun, SweepRuns
from pipelines.sweeps.choice import choose, keep
from pipelines.sweeps.result import SweepResult
from pipelines.sweeps.sweep_config import Search, SweepConfig, search_of
from pipelines.sweeps.trial_loop import Mapper, TrialLoop
from pipelines.sweeps.worker_processes import worker_processes

# What an engine of Dask has submitted at a time: two tasks a worker.
_SUBMITTED_A_WORKER = 2


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
    _refuse_unwritable(config.out)
    search, records = search_of(experiment, config, contracts), open_records(workspace.records_url)
    lease = f"sweep/{search.key}"
    # After a kill the same command goes on at once.
    release_if_dead(records, lease)
    with hold_lease(records, lease, f"sweep of {experiment.name}"):
        return _run(workspace, search, config, now=now, engine=engine, say=say, progress=progress)


def _run(
    workspace: Workspace,
    search: Search,
    config: SweepConfig,
    *,
    now: pd.Timestamp,
    engine: BlockEngine | None,
    say: Callable[[str], None],
    progress: ProgressCallback,
) -> SweepResult:
    began, runs = time.time(), SweepRuns(workspace)
    sweep, history = _open(workspace, runs, search, config, now=now, engine=engine)
    if sweep.trials:
        say(f"{len(sweep.trials)} trials of this search have ended before; --anew begins without them")
    search = replace(search, space=replace(search.space, base=with_named_test(search.space.base, history)))
    folder = workspace.root / "sweeps" / sweep.run_id
    try:
        loop = _loop(search, sweep, history, config, folder, engine=engine, progress=progress, began=began)
        with _mapper(config, engine) as mapper:
            loop.run(config.trials, partial(runs.record, sweep, search.metric), mapper=mapper, progress=progress)
        result = choose(workspace, search, loop, sweep, config, history, progress=progress)
        result = replace(result, seconds=time.time() - began)
        keep(runs, sweep, search, result)
    except BaseException as error:
        runs.end(sweep, "KILLED" if isinstance(error, KeyboardInterrupt | SystemExit) else "FAILED")
        raise
    shutil.rmtree(folder, ignore_errors=True)
    return result


def _open(
    workspace: Workspace,
    runs: SweepRuns,
    search: Search,
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
    search: Search,
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


def _refuse_unwritable(out: Path | None) -> None:
    if out is None:
        return
    if out.suffix != ".toml" or out.exists() or not out.resolve().parent.is_dir():
        found = f"{out} exists" if out.exists() else f"{out} is no new file ending in .toml in a folder that exists"
        raise UsageError(found, "a new file such as chosen.toml", "Choose another name, or remove the file")
