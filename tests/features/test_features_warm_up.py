"""Compiled kernels: all of them before they are needed, once on a machine, wherever the machine lets us write."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_contracts.tables.history import History
from features import Gaps, cut_offs, extract, fill_gaps, fit_recipe, kernels_compiled, warm_up
from features.calculators.plan import Plan, plan_for
from features.calculators.presets import preset_features
from features.kernels import compilation
from features.kernels.registry import KERNELS
from features.telemetry import array_gaps, gaps

pytestmark = pytest.mark.slow

# Compiles one small function and prints what was compiled before, how many warnings it logged and what it compiled.
ONE_KERNEL = """
import json, logging
from numba.core.dispatcher import Dispatcher
from features import kernels_compiled, warm_up
from features.kernels import changes, compilation
messages = []
logging.getLogger("forewarn.features").addFilter(lambda record: messages.append(record.getMessage()))
warm_up(["mean_abs_change"])
statistics = [member.stats for member in vars(changes).values() if isinstance(member, Dispatcher)]
print(json.dumps({
    "all": kernels_compiled(),
    "warnings": sum("compiling feature kernels" in message for message in messages),
    "compiled": sum(sum(stats.cache_misses.values()) for stats in statistics),
    "loaded": sum(sum(stats.cache_hits.values()) for stats in statistics),
    "folder": str(compilation.cache_folder()),
}))
"""

# Names what the kernels had to load or compile after the warm-up, for windows of all lengths and of many shapes.
LEFT_COLD = """
import json, sys
import numpy as np
from numba.core.dispatcher import Dispatcher
from features import warm_up
from features.kernels.block import Block
from features.calculators.plan import plan_for
from features.calculators.presets import preset_features

def ready():
    modules = [module for name, module in sys.modules.items() if name.startswith("features.kernels")]
    things = {name: thing for module in modules for name, thing in vars(module).items()}
    return {name for name, thing in things.items() if isinstance(thing, Dispatcher) and thing.signatures}

warm_up()
warm = ready()
rng = np.random.default_rng(1)
for samples in (1, 2, 3, 10, 64, 300):
    t = np.arange(samples)
    noise = rng.normal(size=(3, samples))
    flat = [np.ones(samples), np.zeros(samples), (t > samples / 2) + 0.0]
    block = Block(np.concatenate([noise, np.round(noise), flat, [t + 0.0, np.sin(t / 3), 1e6 + noise[0].cumsum()]]))
    with np.errstate(all="ignore"):
        for step in plan_for(preset_features("comprehensive"), samples).layout.steps:
            step.kernel.compute(block, step.tables, np.empty((len(step.features), block.n)))
print(json.dumps(sorted(ready() - warm)))
"""


def in_a_new_process(code: str, folder: Path, **variables: str) -> Any:
    """Run code on the packages of a folder; nothing of pytest's own process is in it."""
    environment = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "PYTHONPATH")}
    environment |= {"PYTHONPATH": str(folder), **variables}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_every_kernel_of_the_largest_set_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warming up runs each kernel behind each feature of the comprehensive set, and reports its progress."""
    run: set[str] = set()

    def recording_plan(features: tuple[str, ...], samples: int) -> Plan:
        plan = plan_for(features, samples)
        steps = []
        for step in plan.layout.steps:
            kernel = replace(step.kernel, compute=lambda *_, of=step.features: run.update(of))
            steps.append(replace(step, kernel=kernel))
        return replace(plan, layout=replace(plan.layout, steps=tuple(steps)))

    reports: list[tuple[str, int, int]] = []
    monkeypatch.setattr(sys.modules[warm_up.__module__], "plan_for", recording_plan)
    monkeypatch.setattr(sys.modules[warm_up.__module__], "mark_compiled", list)
    warm_up(progress=lambda *report: reports.append(report))
    assert run == set(preset_features("comprehensive"))
    kernels = len({name.split("__")[0] for name in run} & KERNELS.keys())
    assert reports == [("feature kernels", done, kernels) for done in range(kernels + 1)]


def test_only_requested_kernels_are_warmed_up() -> None:
    """A model's forty features need no more than their own kernels."""
    reports: list[tuple[str, int, int]] = []
    warm_up(["mean", "median", "quantile__q_0.1"], progress=lambda *report: reports.append(report))
    assert reports[-1] == ("feature kernels", 3, 3)


def test_no_window_is_left_to_compile_for(repository: Path) -> None:
    """After the warm-up no window, however short or odd, makes a kernel compile or load another function."""
    assert in_a_new_process(LEFT_COLD, repository) == []


def test_a_second_process_loads_what_the_first_has_compiled(repository: Path, tmp_path: Path) -> None:
    """Compiled code is kept on disk in NUMBA_CACHE_DIR: the first process compiles and logs a warning."""
    first = in_a_new_process(ONE_KERNEL, repository, NUMBA_CACHE_DIR=str(tmp_path))
    assert (first["all"], first["warnings"], first["loaded"]) == (False, 1, 0)
    assert first["compiled"] > 0
    assert Path(first["folder"]).parent == tmp_path
    second = in_a_new_process(ONE_KERNEL, repository, NUMBA_CACHE_DIR=str(tmp_path))
    assert second == {**first, "warnings": 0, "compiled": 0, "loaded": first["compiled"]}


def test_a_package_that_cannot_be_written_to_compiles_into_the_users_cache(repository: Path, tmp_path: Path) -> None:
    """Where the package's folder is read-only, compiled code goes to the user's cache, and is found there again."""
    installed, cache = tmp_path / "installed", tmp_path / "cache"
    installed.mkdir()
    (installed / "data_contracts").symlink_to(repository / "data_contracts")
    _copy_without_caches(repository / "features", installed / "features")
    # A file in the place of the folder stops even the administrator, for whom no folder is read-only.
    (installed / "features" / "kernels" / "__pycache__").touch()
    variables = {"XDG_CACHE_HOME": str(cache), "PYTHONDONTWRITEBYTECODE": "1"}
    first, second = (in_a_new_process(ONE_KERNEL, installed, **variables) for _ in range(2))
    assert (first["compiled"] > 0, first["loaded"]) == (True, 0)
    assert Path(first["folder"]).parent == cache / "forewarn"
    assert (second["compiled"], second["folder"]) == (0, first["folder"])


def _copy_without_caches(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a package's folder of its own, beside the user's cache, both of which may be written to."""
    folder = tmp_path / "package"
    folder.mkdir()
    monkeypatch.setattr(compilation, "_HERE", folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    return folder


def cache_folder() -> Path:
    return compilation.cache_folder.__wrapped__()


def test_compiled_code_stands_beside_the_kernels(package: Path) -> None:
    """By default the cache is part of the environment."""
    assert cache_folder().parent == package / "__pycache__"


def test_numba_cache_dir_is_respected(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NUMBA_CACHE_DIR decides; if neither it nor the defaults are writable, a temporary folder is used."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "configured"))
    assert cache_folder().parent == tmp_path / "configured"
    for place in (tmp_path / "no-folder", package / "__pycache__", tmp_path / "cache"):
        place.touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "no-folder"))
    assert cache_folder().name.startswith("forewarn-")
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    assert cache_folder().name.startswith("forewarn-")


def test_a_change_in_shared_arithmetic_compiles_anew(package: Path) -> None:
    """What a kernel calls may change without numba seeing it: another folder makes it look again."""
    (package / "arithmetic").mkdir()
    before = cache_folder()
    (package / "arithmetic" / "sums.py").write_text("# a faster sum")
    assert cache_folder().name != before.name
    (package / "arithmetic" / "sums.py").unlink()
    assert cache_folder() == before


def test_kernels_are_compiled_once_a_whole_warm_up_has_ended(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted or partial warm-up leaves no mark; a change in a kernel invalidates the mark."""
    monkeypatch.setattr(compilation, "cache_folder", lambda: package)
    (package / "changes.py").write_text("# a kernel")

    def interrupt(_what: str, done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        warm_up(progress=interrupt)
    warm_up(["mean_abs_change"])
    assert not kernels_compiled()
    warm_up()
    assert kernels_compiled()
    (package / "changes.py").write_text("# a faster kernel")
    assert not kernels_compiled()


def test_gaps_are_filled_without_compiling_anew(history_of: Callable[..., History]) -> None:
    """The warm-up has compiled what fills gaps for just the arrays that it will be given."""
    warm_up(["mean"])
    history, hour = history_of(0), pd.Timedelta("1h")
    recipe = fit_recipe(history, windows=[5 * hour], feature_set=["mean"], gaps=Gaps(hour, hour, 1.0))
    extract(history, cut_offs(history, 5 * hour), recipe)
    fill_gaps(np.full((2, 3, 4), np.nan), fill_for=2, most_missing=0.5)
    assert [len(function.signatures) for function in (gaps._place, array_gaps._fill_forward)] == [1, 1]
