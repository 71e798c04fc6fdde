"""Jobs by threads and by worker processes of Dask, on the same telemetry: what they cost, and that no bit differs.

    python benchmarks/dask_engine.py --folder /tmp/scale

The fleet is that of `scale_read.py`. Features, a back-test and the indicators of everything stored. Each way is run
`--times` times, in turn; of seconds, CPU seconds and bytes read (from the page cache too), of all processes together,
the least counts. The cluster's start is apart. Threads use as many cores as there are.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scale_read import DAYS, START, write_fleet

from data_contracts.contract.contract_types import Column
from data_contracts.contract.registered import find_telemetry_contract, register
from data_contracts.tables import tables
from data_contracts.tables.history import open_history
from data_contracts.workspace import Workspace, open_workspace
from features import Recipe, extract, parse_feature_set
from features.indicators.plan import IndicatorPlan
from models.experiment.experiment_file import load_experiment
from pipelines.backtesting.backtest import BacktestConfig, run_backtest
from pipelines.compute.dask_engine import DaskEngine, local_engine
from pipelines.indicators.definitions import define
from pipelines.indicators.follow import IndicatorFollower
from pipelines.settings.settings import read_settings

FEATURES = {"few features": ["mean", "maximum"], "efficient": "efficient"}
JOBS = (*FEATURES, "back-test", "indicators")
Job = Callable[[DaskEngine | None], object]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, default=200)
    parser.add_argument("--millions", type=float, default=2, help="rows of telemetry")
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--jobs", nargs="+", default=JOBS, choices=JOBS)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to keep the workspace; a temporary folder by default")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as started:
        folder = (chosen.folder or Path(temporary)).resolve() / f"{chosen.assets}_{chosen.millions:g}"
        if not folder.exists():
            folder.mkdir(parents=True)
            write_fleet(folder, chosen.assets, chosen.millions)
        workspace = open_workspace(folder / "w", os.environ)
        engines: dict[str, DaskEngine | None] = {"threads": None}
        for workers in chosen.workers:
            begin = time.perf_counter()
            engine = started.enter_context(local_engine(workers))
            engine.check_workers(workspace)
            print(f"{workers} workers have started after {time.perf_counter() - begin:.1f} s", flush=True)
            engines[f"{workers} workers"] = engine
        for name in chosen.jobs:
            _compare(name, _job(name, workspace, folder, chosen.assets), engines, chosen.times)


def _compare(name: str, job: Job, engines: dict[str, DaskEngine | None], times: int) -> None:
    least = {way: np.full(3, np.inf) for way in engines}
    first = None
    for _ in range(times):
        for way, engine in engines.items():
            with _measured(engine) as measured:
                found = job(engine)
            least[way] = np.minimum(least[way], measured)
            first = found if first is None else first
            assert found == first, f"{way} gives another result"
    for way, figures in least.items():
        seconds, cpu, read = figures
        ratios = ", ".join(f"{ratio:.2f}" for ratio in figures / least["threads"])
        print(f"{name}, {way}: {seconds:.1f} s, {cpu:.1f} CPU s, {read:.0f} MB read; of threads {ratios}", flush=True)


@contextmanager
def _measured(engine: DaskEngine | None) -> Iterator[np.ndarray]:
    result, before = np.zeros(3), np.array([time.perf_counter(), *_used(engine)])
    yield result
    result[:] = np.array([time.perf_counter(), *_used(engine)]) - before


def _used(engine: DaskEngine | None) -> np.ndarray:
    """Return CPU seconds and megabytes read of this process and the workers, until now."""
    others = [] if engine is None else engine.client.run(_own).values()
    return np.sum([_own(), *others], axis=0)


def _own() -> tuple[float, float]:
    read = Path("/proc/self/io").read_text(encoding="ascii").split()[1]
    return time.process_time(), int(read) / 1e6


def _job(name: str, workspace: Workspace, folder: Path, n_assets: int) -> Job:
    if name == "back-test":
        return partial(_backtest, workspace, folder)
    if name == "indicators":
        return partial(_indicators, workspace)
    recipe = Recipe("pump", ("vibration", "temperature"), (pd.Timedelta("12h"),), parse_feature_set(FEATURES[name]))
    assets = [f"pump-{number:06d}" for number in range(n_assets)]
    times = START + pd.to_timedelta(np.arange(1, 2 * DAYS) * 12, unit="h")
    cut_offs = pd.DataFrame({"asset": np.repeat(assets, len(times)), "as_of": np.tile(times, len(assets))})
    cut_offs["as_of"] = pd.DatetimeIndex(cut_offs["as_of"]).as_unit("us").tz_convert("UTC")
    return lambda engine: extract(open_history(workspace, "pump", engine=engine), cut_offs, recipe).to_numpy().tobytes()


def _backtest(workspace: Workspace, folder: Path, engine: DaskEngine | None) -> object:
    shutil.rmtree(workspace.root / "backtest", ignore_errors=True)
    config = BacktestConfig(start=20.0, every=pd.Timedelta(days=7), rules=("always",))
    settings = read_settings(workspace, {}).with_section("retrain", holdout=pd.Timedelta(days=7))
    experiment = load_experiment(folder / "pumps.toml", ["windows.stride=12h"])
    return run_backtest(workspace, experiment, config, settings=settings, engine=engine).to_dict()


def _indicators(workspace: Workspace, engine: DaskEngine | None) -> object:
    name = f"pump_hour_{time.time_ns()}"  # indicators of one name are computed once
    channels, features = ("vibration", "temperature"), ("mean", "maximum", "kurtosis")
    plan = IndicatorPlan(name=name, asset_type="pump", window="1h", features=features, channels=channels)
    like = find_telemetry_contract(workspace.contracts, "azure_machine")
    assert like is not None
    measured = (*like.columns[:4], *(Column(channel, "number") for channel in channels))
    register(workspace.contracts, replace(like, name="telemetry_pump", asset_type="pump", columns=measured), now=START)
    made = define(workspace, plan, now=START)
    IndicatorFollower(workspace, made, engine=engine).follow()
    rows = tables.read(workspace, plan.table)
    shutil.rmtree(Path(workspace.tables_url) / plan.table)
    return pd.util.hash_pandas_object(rows).to_numpy().tobytes()


if __name__ == "__main__":
    main()
