"""The options that every command takes."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from data_contracts.workspace import Workspace

WORKSPACE = Path(".forewarn")


@Parameter(name="*")
@dataclass(frozen=True)
class Options:
    """The workspace and the form of the output.

    Parameters
    ----------
    workspace : Path
        The folder that holds all state.
    json : bool
        Answer with one JSON document on stdout, for programs.
    verbose : bool
        Show tracebacks and the logs of the platforms.
    """

    workspace: Annotated[Path, Parameter(name=["--workspace", "-w"], env_var="FOREWARN_WORKSPACE")] = WORKSPACE
    json: Annotated[bool, Parameter(negative="")] = False
    verbose: Annotated[bool, Parameter(negative="")] = False

    @property
    def contracts(self) -> Path:
        """The folder of the workspace's contracts, which need not exist."""
        return self.workspace / "contracts"

    def open(self) -> "Workspace":
        """Open the workspace.

        Returns
        -------
        Workspace
            The workspace, its stores as its settings and the environment say.
        """
        # Loaded here, not above: `forewarn --help` must not wait for pandas.
        from data_contracts.workspace import open_workspace

        return open_workspace(self.workspace, os.environ)

    def open_or_create(self) -> "Workspace":
        """Do as `open`, after creating the workspace if there is none."""
        from data_contracts.workspace import SETTINGS_FILE, init_workspace

        if not (self.workspace / SETTINGS_FILE).exists():
            init_workspace(self.workspace)
        return self.open()


Shared = Annotated[Options, Parameter(name="*")]
DEFAULTS = Options()
