"""A copy of the small fleet's workspace for each file of tests."""

import shutil
from pathlib import Path

import pytest

import forewarn


@pytest.fixture(scope="module")
def ws(small_fleet: Path, tmp_path_factory: pytest.TempPathFactory) -> forewarn.Workspace:
    """Return a copy of the workspace in which version 1 of fleet-failure is the champion."""
    folder = tmp_path_factory.mktemp("copy") / "workspace"
    shutil.copytree(small_fleet, folder)
    return forewarn.Workspace(folder)
