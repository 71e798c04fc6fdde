"""Files of the back-test's cache: complete or not there, and named by what they depend on."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.artifact.artifact import Artifact


def digest(inputs: list[str]) -> str:
    """Return a name for what depends on these inputs alone."""
    return hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:16]


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write JSON values."""
    with replacing(file) as unfinished:
        unfinished.write_text(json.dumps(content, indent=2), encoding="utf-8")


def store_version(folder: Path, artifact: Artifact, stored: Mapping[str, Any]) -> None:
    """Put a version into a new folder, with what is to be known of it besides its artifact."""
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=ensure_folder(folder.parent)))
    try:
        artifact.save(unfinished / "artifact")
        (unfinished / "version.json").write_text(json.dumps(stored, indent=2), encoding="utf-8")
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def ensure_folder(folder: Path) -> Path:
    """Make a folder if there is none, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yield a path to write to, and move it to `file` once it is complete."""
    handle, name = tempfile.mkstemp(prefix=".unfinished-", dir=ensure_folder(file.parent))
    os.close(handle)
    unfinished = Path(name)
    try:
        yield unfinished
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
