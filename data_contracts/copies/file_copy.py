"""Copying files with their digests, and checking them."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 2**20


@dataclass(frozen=True)
class FileDigest:
    """Size and SHA-256 of a file."""

    size: int
    sha256: str


def copy_file(source: Path, target: Path) -> FileDigest:
    """Copy the bytes of a file into a new one that only its owner reads; return their digest."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    private = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with source.open("rb") as reading, os.fdopen(os.open(target, private, 0o600), "wb") as writing:
        while chunk := reading.read(_CHUNK):
            digest.update(chunk)
            writing.write(chunk)
            size += len(chunk)
    return FileDigest(size, digest.hexdigest())


def file_digest(file: Path) -> FileDigest:
    """Return the digest of a file."""
    with file.open("rb") as reading:
        return FileDigest(file.stat().st_size, hashlib.file_digest(reading, "sha256").hexdigest())


def sync_folder(folder: Path) -> None:
    """Wait until what was written into a folder's file system is on its disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.sync()
