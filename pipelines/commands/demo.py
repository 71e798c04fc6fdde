"""The command that plays the demonstration."""

import shutil
import sys
from pathlib import Path
from typing import Any

from pipelines.cli.options import DEFAULTS, WORKSPACE, Shared

FOLDER = Path(".forewarn-demo")
MARKER = "demonstration"


def demo(*, seed: int = 7, machines: int = 60, options: Shared = DEFAULTS) -> Any:
    """Watch a simulated fleet through a drift, end to end.

    A predictor is trained and served; a process change makes it miss failures; the drift is noticed, a better model is
    trained, promoted and served. All of it is real: the endpoint, the registry, the stores. It takes a few minutes.

    Parameters
    ----------
    seed : int
        The same seed plays the same story.
    machines : int
        The number of machines in the fleet.
    options : Options
        The workspace, .forewarn-demo by default, and the form of the output. An earlier demonstration there is
        replaced; a folder that holds anything else is left alone.
    """
    from pipelines.demo.demonstration import run_demo
    from pipelines.demo.story import Story
    from pipelines.terminal.progress import bars

    root = FOLDER if options.workspace == WORKSPACE else options.workspace
    _clear(root)
    with bars() as progress:
        return run_demo(root, Story(seed=seed, machines=machines), progress=progress, say=_say)


def _clear(root: Path) -> None:
    from data_contracts.errors import UsageError

    if root.exists() and any(root.iterdir()) and not (root / MARKER).exists():
        raise UsageError(
            f"{root} holds something that is no demonstration", "an empty folder or an earlier demonstration",
            "Name another folder with --workspace",
        )  # fmt: skip
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    (root / MARKER).write_text("`forewarn demo` made this folder and deletes it the next time it runs.\n")


def _say(line: str) -> None:
    sys.stderr.write(f"  {line} ...\n")
