"""Digests of a version's files, compared with the registry's tags before any file is opened."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from data_contracts.errors import ModelError

MODEL_DIGEST, FILES_DIGEST, GOLDEN_DIGEST = "model_digest", "files_digest", "golden_digest"
"""Tags: the digest of the artifact, which every version has; that of all files, and that of the file of its golden
inputs, which versions once had not."""
_DESCRIPTION, _LOCATION = "MLmodel", b"artifact_path:"
# Python compiles beside the code; MLflow notes the name and version in the folder when its own tools load it.
_ADDED_LATER = {"__pycache__", "registered_model_meta"}
_AGAIN = "Restore its files, or register the model again"


def files_digest(folder: Path) -> str:
    """Return the SHA-256 of all files of MLflow's model folder, with their names, in hexadecimal digits.

    Left out are what loading adds, and where the files lay when they were written, which the folder's description
    holds: a workspace may be moved.
    """
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and _ADDED_LATER.isdisjoint(path.parts)):
        content = file.read_bytes()
        if file == folder / _DESCRIPTION:
            content = b"".join(line for line in content.splitlines(True) if not line.startswith(_LOCATION))
        name = file.relative_to(folder).as_posix()
        digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of one file, in hexadecimal digits."""
    with file.open("rb") as reading:
        return hashlib.file_digest(reading, "sha256").hexdigest()


def check_golden(file: Path, tags: Mapping[str, str], version: str) -> None:
    """Raise ModelError unless a version's golden inputs are those that were registered."""
    recorded = tags.get(GOLDEN_DIGEST)
    if recorded is not None and file_sha256(file) != recorded:
        raise ModelError(f"golden inputs of {version} that are not the registered ones", "the file of its tag", _AGAIN)


def check_files(folder: Path, tags: Mapping[str, str], version: str) -> None:
    """Raise ModelError unless the files of a version are those that were registered.

    `folder` is MLflow's, `version` how the version is called in the error.
    """
    if not tags.get(MODEL_DIGEST):
        raise ModelError(f"{version} has no tag {MODEL_DIGEST}", "the digest of what was registered", _AGAIN)
    recorded = tags.get(FILES_DIGEST)
    if recorded is not None and files_digest(folder) != recorded:
        raise ModelError(f"files of {version} that are not those that were registered", "the files of its tag", _AGAIN)
