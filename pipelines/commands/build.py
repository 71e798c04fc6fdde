"""The command that packs the endpoint with one model."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_contracts.errors import ModelError, UsageError
from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    from rich.text import Text


@dataclass(frozen=True)
class Built:
    """A bento: the endpoint with one model."""

    facts: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return its model, version, digest and folder."""
        return self.facts

    def __rich__(self) -> "Text":
        """Render what it holds and how to start it."""
        from rich.text import Text

        fact = self.facts
        head = (
            f"{fact['model']} version {fact['version']} (digest {fact['digest'][:12]}) is packed in {fact['folder']}\n"
        )
        direct = f"start it   bentoml serve {fact['folder']}, or python -m serving in its folder src\n"
        container = f"container  docker build -f {fact['container_file']} {fact['folder']}"
        return Text(head + direct + container)


def build(*, out: Path, model: str | None = None, version: int | None = None, options: Shared = DEFAULTS) -> Built:
    """Pack the endpoint with one model, so that it runs without this workspace and its registry.

    The version has to score its golden inputs as it did when it was registered.

    Parameters
    ----------
    out : Path
        The folder to create: a bento, with a container file.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    version : int, optional
        The version; the champion when left out.
    options : Options
        The workspace and the form of the output.
    """
    options.open()  # a missing workspace gets the same error as with every other command
    command = [sys.executable, "-m", "serving.bento", "--workspace", str(options.workspace), "--out", str(out)]
    command += ["--model", model] if model else []
    command += ["--version", str(version)] if version is not None else []
    # The endpoint is another program: the two share no code above the models.
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    answer = _last_line(finished.stdout)
    if "error" in answer:
        kind = UsageError if finished.returncode == UsageError.exit_status else ModelError
        raise kind(answer["error"]["found"], answer["error"]["expected"], answer["error"]["remedy"])
    return Built(answer)


def _last_line(output: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise ModelError(
            "the bento was not built", "a line of JSON from python -m serving.bento", "See what it wrote to stderr"
        ) from error
    return answer
