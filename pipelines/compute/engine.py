"""The engine that the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager

from data_contracts.errors import UsageError
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.workspace import Workspace
from pipelines.settings.sections import ComputeSettings


@contextmanager
def compute_engine(settings: ComputeSettings, workspace: Workspace) -> Iterator[BlockEngine | None]:
    """Start what computes features, and end it afterwards; None stands for threads of this process."""
    if settings.engine == "threads":
        if settings.address or settings.workers is not None:
            raise UsageError(
                "compute.address or compute.workers beside the engine threads",
                'them only with compute.engine = "dask"',
                "Set compute.engine as well, or neither of them",
            )
        yield None
        return
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
    started = remote_engine(settings.address) if settings.address else local_engine(settings.workers)
    with started as engine:
        engine.check_workers(workspace)
        yield engine
