"""What each worker serves, published in small files: a swap is complete when all of them agree.

Workers share no memory, so each writes one file and reads those of the others. A worker that was killed leaves its file
behind; it is ignored, since its process is gone or, where the process id was reused, started at another time.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data_contracts.workspace import Workspace
from serving.http.load_balancing import WorkerLoad
from serving.schemas.instants import format_instant

if TYPE_CHECKING:
    from serving.deployment.champion import Champion


LOAD_FILE = "busy"
"""The file in which the workers of an endpoint count their open requests."""


@dataclass(frozen=True)
class WorkerState:
    """What a worker serves; version, digest and since are None without a champion."""

    pid: int
    started: int  # when the process began, in clock ticks: tells it from a later one with the same id
    version: int | None
    digest: str | None
    since: str | None  # when it began to serve this version, in RFC 3339


class WorkerStatus:
    """Publish what this worker serves to the others of one endpoint, and read theirs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own_file = folder / f"{os.getpid()}.json"

    def publish(self, champion: "Champion | None") -> None:
        """Write what this worker serves from now on; OSError if the file cannot be written."""
        state = WorkerState(
            pid=os.getpid(),
            started=_process_start(os.getpid()) or 0,
            version=champion.version if champion else None,
            digest=champion.artifact.digest if champion else None,
            since=format_instant(champion.since) if champion else None,
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._own_file.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(state)), encoding="utf-8")
        draft.replace(self._own_file)  # atomic: a reader sees the old file or the new one, never half of one

    def withdraw(self) -> None:
        """Remove this worker's file."""
        with suppress(OSError):
            self._own_file.unlink()

    def remove_stale(self) -> None:
        """Remove the files of workers that were killed."""
        for file in self._folder.glob("*.json"):
            state = _read(file)
            if state is None or not _is_alive(state):
                with suppress(OSError):
                    file.unlink()

    def states(self) -> tuple[WorkerState, ...]:
        """Return what the living workers serve, by process id."""
        states = (_read(file) for file in self._folder.glob("*.json"))
        return tuple(sorted((state for state in states if state and _is_alive(state)), key=lambda state: state.pid))


def open_worker_load(workspace: Workspace, port: int, number: int) -> WorkerLoad:
    """Open the load file of the endpoint at a port for one of its workers."""
    return WorkerLoad(workspace.root / "serving" / str(port) / LOAD_FILE, number)


def open_worker_status(workspace: Workspace, port: int) -> WorkerStatus:
    """Open the status files of the endpoint at a port."""
    return WorkerStatus(workspace.root / "serving" / str(port) / "workers")


def agree(states: Iterable[WorkerState]) -> bool:
    """Tell whether all workers serve the same model; False if there are none, or one has no champion."""
    served = {(state.version, state.digest) for state in states}
    return len(served) == 1 and (None, None) not in served


def _read(file: Path) -> WorkerState | None:
    try:
        return WorkerState(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # removed meanwhile, or not written by us


def _is_alive(state: WorkerState) -> bool:
    started = _process_start(state.pid)
    return started is not None and started == state.started


def _process_start(pid: int) -> int | None:
    """Return when a living process began, in clock ticks; 0 where the system does not say, None if it is gone."""
    try:
        # A process's name may hold spaces and brackets; what follows it does not.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _probe_process(pid)
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _probe_process(pid: int) -> int | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return 0
    return 0
