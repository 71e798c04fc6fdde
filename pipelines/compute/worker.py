"""What runs in a worker process: a task, if the worker is as the process that asks for it."""

import hashlib
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import features
from data_contracts.errors import ForewarnError

Task = TypeVar("Task")
Result = TypeVar("Result")
_PACKAGES = ("data_contracts", "features", "models", "pipelines")
# What decides over the bits of a feature, beside forewarn itself.
_LIBRARIES = ("deltalake", "numba", "numpy", "pandas", "pyarrow", "pywavelets", "scipy", "statsmodels", "tsfresh")


class ComputeError(ForewarnError):
    """The processes that are to compute features cannot be reached, differ from this one or were lost."""


@dataclass(frozen=True)
class Failed:
    """A task that failed for a reason that would come again: to raise it would only have Dask repeat it."""

    error: ForewarnError


def environment() -> dict[str, str]:
    """Return the versions that must be the same everywhere, for the same bits."""
    versions = {"forewarn": metadata.version("forewarn"), "Python": platform.python_version()}
    versions |= {name: metadata.version(name) for name in _LIBRARIES}
    return {**versions, "forewarn's source": _source_digest()}


@dataclass(frozen=True)
class WorkerState:
    """What a worker says of itself before the work begins."""

    environment: dict[str, str]
    sees_workspace: bool
    kernels_compiled: bool


def inspect(workspace: str) -> WorkerState:
    """Return the state of the worker that runs this."""
    return WorkerState(environment(), Path(workspace).is_dir(), features.kernels_compiled())


def compute_task(compute: Callable[[Task], Result], task: Task, expected: Mapping[str, str]) -> Result | Failed:
    """Compute a task, also in a worker that joined after the others were checked."""
    try:
        check_environment(expected, environment(), "a worker")
        return compute(task)
    except ForewarnError as error:
        return Failed(error)


def check_environment(expected: Mapping[str, str], present: Mapping[str, str], worker: str) -> None:
    """Raise `ComputeError` if a worker has another version of anything."""
    others = [name for name in expected if present.get(name) != expected[name]]
    if others:
        raise ComputeError(
            f"{worker} has {', '.join(f'{name} {present.get(name)}' for name in others)}",
            f"{', '.join(f'{name} {expected[name]}' for name in others)} as in this process, for the same features",
            "Install the same environment for the workers and restart them",
        )


@cache
def _source_digest() -> str:
    """Return a digest of the code that tasks run, as a version under development has many states."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        spec = find_spec(package)
        root = Path(str(None if spec is None else spec.origin)).parent
        for file in sorted(root.rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]
