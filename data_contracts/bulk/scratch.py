"""Files without a name for what does not fit into memory: they are gone with the process, however it ends."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast


class Scratch:
    """The files of one batch, on the disk of the workspace."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = ExitStack()

    def __enter__(self) -> "Scratch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def file(self) -> BinaryIO:
        """Return a new file, closed with the others unless it is closed before."""
        return cast("BinaryIO", self._open.enter_context(tempfile.TemporaryFile(dir=self._folder)))
