"""The command that packs the endpoint with one model."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from data_contracts.errors import ModelError, UsageError
from pipelines.cli.options import DEFAULTS, Shared


@dataclass(frozen=True)
class Built:
    """A bento that was built."""

    facts: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return what it is and where."""
        return self.facts

    def __rich__(self) -> Text:
        """Say what is in it, and how it is started."""
        fact = self.facts
        head = (
            f"{fact['model']} version {fact['version']} (digest {fact['digest'][:12]}) is sealed in {fact['folder']}\n"
        )
        alone = f"start it   bentoml serve {fact['folder']}, or python -m serving in its folder src\n"
        boxed = f"or box it  docker build -f {fact['container_file']} {fact['folder']}"
        return Text(head + alone + boxed)


def build(*, out: Path, model: str | None = None, version: int | None = None, options: Shared = DEFAULTS) -> Built:
    """Pack the endpoint with one model, so that it runs without this workspace and its registry.

    The version has to score its golden inputs as it did when it was registered.

    Parameters
    ----------
    out : Path
        The folder to make: a bento, with a container file.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    version : int, optional
        The version; the champion when left out.
    options : Options
        Where the state lies and how to answer.
    """
    options.open()  # complains of a workspace that is not there in the words of every other command
    command = [sys.executable, "-m", "serving.bento", "--workspace", str(options.workspace), "--out", str(out)]
    command += ["--model", model] if model else []
    command += ["--version", str(version)] if version is not None else []
    # The endpoint is another program: the two share no code above the models.
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    told = _last_line(ended.stdout)
    if "error" in told:
        kind = UsageError if ended.returncode == UsageError.exit_status else ModelError
        raise kind(told["error"]["found"], told["error"]["expected"], told["error"]["remedy"])
    return Built(told)


def _last_line(said: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise ModelError(
            "the bento was not built", "a line of JSON from python -m serving.bento", "See what it wrote to stderr"
        ) from error
    return told
