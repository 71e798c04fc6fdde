"""The engine that the settings name."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from data_contracts.errors import UsageError
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.workspace import Workspace
from pipelines.compute.worker import ComputeError
from pipelines.settings.sections import ComputeSettings

Task = TypeVar("Task")
Result = TypeVar("Result")
Start = Callable[[], AbstractContextManager[BlockEngine]]


@contextmanager
def compute_engine(settings: ComputeSettings, workspace: Workspace) -> Iterator[BlockEngine | None]:
    """Start what computes features, and end it afterwards; None stands for threads of this process."""
    start = _starting(settings, workspace)
    if start is None:
        yield None
        return
    with start() as engine:
        yield engine


@contextmanager
def lasting_engine(settings: ComputeSettings, workspace: Workspace) -> Iterator[BlockEngine | None]:
    """Yield an engine for a process that runs for long, started when it is needed, and again after it was lost."""
    start = _starting(settings, workspace)
    if start is None:
        yield None
        return
    lasting = _LastingEngine(start)
    try:
        yield lasting
    finally:
        lasting.close()


class _LastingEngine:
    """An engine that is started by its first use, and after a `ComputeError` by the next."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._stack = ExitStack()
        self._engine: BlockEngine | None = None

    @property
    def workers(self) -> int:
        """How many tasks run at the same time."""
        try:
            return self._started().workers
        except ComputeError:
            self.close()
            raise

    def map(self, compute: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield the results in the order of the tasks."""
        try:
            yield from self._started().map(compute, tasks)
        except ComputeError:
            self.close()
            raise

    def close(self) -> None:
        """End what was started."""
        self._engine = None
        self._stack.close()

    def _started(self) -> BlockEngine:
        if self._engine is None:
            self._engine = self._stack.enter_context(self._start())
        return self._engine


def _starting(settings: ComputeSettings, workspace: Workspace) -> Start | None:
    """Return what starts the engine, None for threads; a `UsageError` for settings that contradict each other."""
    if settings.engine == "threads":
        if settings.address or settings.workers is not None:
            raise UsageError(
                "compute.address or compute.workers beside the engine threads",
                'them only with compute.engine = "dask"',
                "Set compute.engine as well, or neither of them",
            )
        return None
    if settings.address and settings.workers is not None:
        raise UsageError(
            f"compute.workers beside the address {settings.address}",
            "only one of them: the scheduler at an address has the workers that were started for it",
            "Remove compute.workers",
        )
    try:
        from pipelines.compute.dask_engine import local_engine, remote_engine
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the engine dask needs {error.name}, which is not installed",
            "the packages of the extra forewarn[dask]",
            "pip install 'forewarn[dask]', or set compute.engine = \"threads\"",
        ) from error

    @contextmanager
    def start() -> Iterator[BlockEngine]:
        started = remote_engine(settings.address) if settings.address else local_engine(settings.workers)
        with started as engine:
            engine.check_workers(workspace)
            yield engine

    return start
