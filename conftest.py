"""What tests and the examples in docstrings share: a workspace of a small simulated fleet with a champion."""

import shutil
from pathlib import Path
from typing import Any

import pytest

SMALL = {"split.test_start": "2025-02-20T00:00:00Z", "estimator.params.n_estimators": 60}
"""What makes the shipped experiment `fleet` fit 20 machines and 75 days."""


@pytest.fixture(scope="session")
def small_fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a workspace in which version 1 is the champion; nobody writes into it."""
    import forewarn

    ws = forewarn.Workspace(tmp_path_factory.mktemp("fleet") / "workspace", create=True)
    ws.simulate(machines=20, days=75)
    ws.train("fleet", set=SMALL)
    return ws.path


@pytest.fixture(autouse=True)
def _names_of_examples(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    """Give the examples of notebooks a copy of that workspace."""
    if isinstance(request.node, pytest.DoctestItem) and request.node.name.startswith("pipelines.notebook.workspace."):
        import forewarn

        folder = request.getfixturevalue("tmp_path") / "workspace"
        shutil.copytree(request.getfixturevalue("small_fleet"), folder)
        doctest_namespace |= {"forewarn": forewarn, "folder": folder, "small": SMALL}
        doctest_namespace["ws"] = forewarn.Workspace(folder)
