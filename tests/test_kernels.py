"""`python -m features` compiles every loop of the packages, with the types that they are called with."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
ENTRIES = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["forewarn.kernels"]
FIND = """
import importlib, json, pathlib, sys
from numba.core.dispatcher import Dispatcher

def compiled():
    found = {}
    for path in sorted(pathlib.Path.cwd().glob("[mps]*/**/*.py")):
        package = path.relative_to(pathlib.Path.cwd()).with_suffix("").parts
        if package[0] in ("models", "pipelines", "serving") and "features.kernels.compilation" in path.read_text():
            module = importlib.import_module(".".join(package))
            own = {name: each for name, each in vars(module).items() if isinstance(each, Dispatcher)}
            found |= {f"{module.__name__}.{name}": each for name, each in own.items()}
    return {name: [str(each) for each in dispatcher.signatures] for name, dispatcher in found.items()}

before = compiled()
for entry in sys.argv[1:]:
    module, _, name = entry.partition(":")
    getattr(importlib.import_module(module), name)()
print(json.dumps([before, compiled()]))
"""


@pytest.mark.slow
def test_every_loop_above_features_is_compiled_ahead_of_time() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", FIND, *ENTRIES.values()], capture_output=True, text=True, check=True, cwd=ROOT
    )
    before, after = json.loads(answer.stdout)
    assert {name.rpartition(".")[2] for name in before} > {"_contribute", "scan_metrics", "write_metrics"}
    assert not any(before.values())
    assert all(after[name] for name in after if name.endswith(("._contribute", "._walk")))
    # The others are called by these alone.
    assert [name for name in after if not name.rpartition(".")[2].startswith("_") and not after[name]] == []


def test_no_explanation_of_a_real_booster_compiles_again() -> None:
    """The arrays of the smallest booster have the types of any other's."""
    lightgbm = pytest.importorskip("lightgbm")
    from models.artifact import tree_contributions, tree_paths

    tree_contributions.warm_up()
    loops = (tree_contributions._contribute, tree_paths._walk)
    before = [list(loop.signatures) for loop in loops]
    x = np.random.default_rng(1).normal(size=(200, 3))
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "min_data_in_leaf": 5}, lightgbm.Dataset(x, (x[:, 0] > 0).astype(int)), 5
    )
    tree_contributions.TreeContributions.from_text(booster.model_to_string()).compute(x)
    assert [list(loop.signatures) for loop in loops] == before
