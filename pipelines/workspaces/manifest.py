"""What a backup says of itself: its parts with their versions, and the digest of every file."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from data_contracts.copies.file_copy import FileDigest
from data_contracts.errors import NotFoundError, StorageError

MANIFEST: Final = "backup.json"
CONTENT: Final = "workspace"
"""The folder of a backup that has the workspace's files."""
INCOMPLETE: Final = ".incomplete"
"""What the folder's name ends in until all of it is there."""
FORMAT: Final = 1


@dataclass(frozen=True)
class Manifest:
    """What a backup has."""

    forewarn: str  # the version that made it
    made_at: str
    workspace: str  # the folder that was backed up
    artifacts: str  # where the models' files were, as MLflow's paths in the backup begin
    tables: Mapping[str, int]  # their versions
    models: Mapping[str, Sequence[int]]  # the registered versions
    left_out: Sequence[str]  # what of the workspace is not in the backup
    files: Mapping[str, FileDigest]  # by path within the backup
    format: int = FORMAT

    @property
    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(file.size for file in self.files.values())

    def write(self, folder: Path) -> None:
        """Write it into a backup's folder, with a digest of itself."""
        content = asdict(self)
        (folder / MANIFEST).write_text(json.dumps({**content, "digest": _digest(content)}, indent=1), encoding="utf-8")


def read_manifest(backup: Path) -> Manifest:
    """Read the manifest of a backup; an error if the folder is none, is incomplete, or is from a later format."""
    file = backup / MANIFEST
    if not file.is_file():
        incomplete = backup.name.endswith(INCOMPLETE) or (backup / CONTENT).is_dir()
        raise NotFoundError(
            f"{backup} is a backup that was not finished" if incomplete else f"there is no backup at {backup}",
            f"a folder with a {MANIFEST}, which is written last",
            "Name a backup that `forewarn backup` has finished",
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        known, found = content.pop("digest"), int(content["format"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(file, str(error)) from error
    if found > FORMAT:
        raise StorageError(
            f"the backup at {backup} has format {found}, made by forewarn {content.get('forewarn')}",
            f"format {FORMAT} or an earlier one",
            "Restore it with that version of forewarn, or a later one",
        )
    if _digest(content) != known:
        raise _damaged(file, "its own digest is another")
    files = {path: FileDigest(**digest) for path, digest in content.pop("files").items()}
    if any(not path.startswith(f"{CONTENT}/") or ".." in Path(path).parts for path in files):
        raise _damaged(file, "it names files that are not in the backup")
    return Manifest(**content, files=files)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _damaged(file: Path, reason: str) -> StorageError:
    return StorageError(f"{file} is damaged ({reason})", "a backup's manifest as it was written", "Name another backup")
