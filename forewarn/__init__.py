"""forewarn in a notebook: import history, train, explain and predict, as the command line does.

`Workspace` opens a folder of data and models; what its methods return are frames and figures. Nothing is done here:
every name is that of another package, and is loaded on first use, so that importing this one is quick. Errors are those
of the commands; catch `ForewarnError` for all of them.
"""

from typing import TYPE_CHECKING

from data_contracts.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from data_contracts.errors import ForewarnError, ModelError, NotFoundError, StorageError, UsageError
    from data_contracts.validation.report import ContractError
    from models.experiment.experiment import Experiment
    from pipelines.notebook.model import Model
    from pipelines.notebook.report import Report
    from pipelines.notebook.run import Run
    from pipelines.notebook.workspace import Workspace

__all__ = [
    "ContractError",
    "Experiment",
    "ForewarnError",
    "Model",
    "ModelError",
    "NotFoundError",
    "Report",
    "Run",
    "StorageError",
    "UsageError",
    "Workspace",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "data_contracts.errors": ("ForewarnError", "ModelError", "NotFoundError", "StorageError", "UsageError"),
        "data_contracts.validation.report": ("ContractError",),
        "models.experiment.experiment": ("Experiment",),
        "pipelines.notebook.model": ("Model",),
        "pipelines.notebook.report": ("Report",),
        "pipelines.notebook.run": ("Run",),
        "pipelines.notebook.workspace": ("Workspace",),
    },
    elsewhere=True,
)


def __dir__() -> list[str]:
    """List the names for a notebook's completion, although none is loaded yet."""
    return [*__all__]
