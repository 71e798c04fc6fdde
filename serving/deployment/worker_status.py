"""What each worker process serves, told by small files: a swap is complete when all of them say the same.

Workers share no memory, so each writes one file and reads those of the others. A worker that was killed leaves its file
behind; it counts for nothing, for its process is gone or, where the number was given out again, began at another time.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data_contracts.workspace import Workspace
from serving.http.load_balancing import Balance
from serving.schemas.instants import format_instant

if TYPE_CHECKING:
    from serving.deployment.champion import Champion


BUSY = "busy"
"""The file in which the workers of an endpoint count their requests."""


@dataclass(frozen=True)
class WorkerState:
    """Say what a worker serves.

    Parameters
    ----------
    pid
        Its process.
    started
        When the process began, in the kernel's own count; tells it from a later one of the same number.
    version, digest
        The model; None without a champion.
    since
        When it began to serve it, as answers write instants; None without a champion.
    """

    pid: int
    started: int
    version: int | None
    digest: str | None
    since: str | None


class WorkerStatus:
    """Tell the other workers of one endpoint what this one serves, and hear it from them.

    Parameters
    ----------
    folder
        Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = folder / f"{os.getpid()}.json"

    def tell(self, champion: "Champion | None") -> None:
        """Write what this worker serves from now on.

        Parameters
        ----------
        champion
            The champion, if there is one.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        state = WorkerState(
            pid=os.getpid(),
            started=_started(os.getpid()) or 0,
            version=champion.version if champion else None,
            digest=champion.artifact.digest if champion else None,
            since=format_instant(champion.since) if champion else None,
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._own.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(state)), encoding="utf-8")
        draft.replace(self._own)  # whoever reads sees the old file or the new one, never half of one

    def leave(self) -> None:
        """Remove this worker's file."""
        with suppress(OSError):
            self._own.unlink()

    def sweep(self) -> None:
        """Remove the files of workers that were killed."""
        for file in self._folder.glob("*.json"):
            state = _read(file)
            if state is None or not _lives(state):
                with suppress(OSError):
                    file.unlink()

    def states(self) -> tuple[WorkerState, ...]:
        """Return what the living workers serve, by process number."""
        read = (_read(file) for file in self._folder.glob("*.json"))
        return tuple(sorted((state for state in read if state and _lives(state)), key=lambda state: state.pid))


def balance_of(workspace: Workspace, port: int, number: int) -> Balance:
    """Find how busy the workers of the endpoint at a port are.

    Parameters
    ----------
    workspace
        The workspace.
    port
        The endpoint's port.
    number
        The number of the worker that asks.

    Returns
    -------
    Balance
    """
    return Balance(workspace.root / "serving" / str(port) / BUSY, number)


def workers_of(workspace: Workspace, port: int) -> WorkerStatus:
    """Find the workers of the endpoint at a port.

    Parameters
    ----------
    workspace
        The workspace.
    port
        The endpoint's port.

    Returns
    -------
    WorkerStatus
    """
    return WorkerStatus(workspace.root / "serving" / str(port) / "workers")


def agree(states: Iterable[WorkerState]) -> bool:
    """Tell whether workers serve the same model.

    Parameters
    ----------
    states
        What they serve.

    Returns
    -------
    bool
        False where there is none, or one without a champion.
    """
    served = {(state.version, state.digest) for state in states}
    return len(served) == 1 and (None, None) not in served


def _read(file: Path) -> WorkerState | None:
    try:
        return WorkerState(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # removed meanwhile, or not written by us


def _lives(state: WorkerState) -> bool:
    started = _started(state.pid)
    return started is not None and started == state.started


def _started(pid: int) -> int | None:
    """Return when a living process began, in clock ticks; 0 where the system does not tell, None if it is gone."""
    try:
        # A process's name may hold spaces and brackets; what follows it does not.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _signalled(pid)
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _signalled(pid: int) -> int | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return 0
    return 0
