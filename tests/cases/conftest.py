"""The small inputs that people really have: a folder each, with what is right beside them."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import main


@dataclass(frozen=True)
class Ran:
    """What one command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return what it printed, read as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Case:
    """A copy of one case's folder, and the command line in it."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def forewarn(self, *arguments: str) -> Ran:
        """Run a command in the folder."""
        self.capsys.readouterr()
        status = _status(arguments)
        printed = self.capsys.readouterr()
        return Ran(status, printed.out, printed.err)


@pytest.fixture
def case(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], Case]:
    """Copy a case by the start of its name, such as "01", and go there; skip where there are no cases."""
    cases = Path(os.environ.get("FOREWARN_TEST_CASES", repository.parent / "shared" / "cases"))
    if not cases.is_dir():
        pytest.skip(f"the cases are not at {cases} (set FOREWARN_TEST_CASES)")

    def copy(start: str) -> Case:
        (source,) = (folder for folder in cases.iterdir() if folder.name.startswith(start))
        shutil.copytree(source, tmp_path / source.name)
        for item in [tmp_path / source.name, *(tmp_path / source.name).rglob("*")]:
            item.chmod(0o755 if item.is_dir() else 0o644)  # the originals may be read-only
        monkeypatch.chdir(tmp_path / source.name)
        return Case(tmp_path / source.name, capsys)

    return copy


def _status(arguments: Sequence[str]) -> int:
    try:
        return int(main(list(arguments)) or 0)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
