"""Files that were ingested before and have not been touched since: they need not be read to know that."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from data_contracts.contract.contract import Contract
from data_contracts.ingestion.stored_before import stored_by_another
from data_contracts.tables import tables
from data_contracts.workspace import Workspace

MEMORY: Final = "ingested_files.json"


@dataclass(frozen=True)
class RememberedFile:
    """A file as it was when its rows were stored."""

    state: tuple[int, ...]
    contract: str  # the digest of its revision
    time_zone: str | None
    batch_id: str


class RememberedFiles:
    """What is known of the files of an inbox."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._file = workspace, workspace.root / MEMORY
        self._known, self._seen = _read(self._file), dict[str, RememberedFile]()

    def stored(self, file: Path, contract: Contract, time_zone: str | None) -> RememberedFile | None:
        """Return what is known of a file that is as it was, and whose rows its table still has; else None."""
        known = self._known.get(str(file))
        if known is None or (known.state, known.contract, known.time_zone) != (state(file), contract.digest, time_zone):
            return None
        if not tables.has_batch(self._workspace, contract.table, known.batch_id):
            return None  # the table was restored from a backup
        self._seen[str(file)] = known
        return known

    def by_another_revision(self, known: RememberedFile, contract: Contract) -> bool:
        """Return whether a file's rows may have been checked by another revision of its contract."""
        return stored_by_another(self._workspace, contract, known.batch_id)

    def note(self, file: Path, known: RememberedFile) -> None:
        """Note a file as it was before it was read."""
        self._seen[str(file)] = known

    def save(self) -> None:
        """Store what is known of the files that are there; without it, they are read once more."""
        content = {name: asdict(known) for name, known in self._seen.items()}
        part = self._file.with_suffix(".part")
        with contextlib.suppress(OSError):
            part.touch(mode=0o600)
            part.write_text(json.dumps(content), encoding="utf-8")
            part.replace(self._file)


def state(file: Path) -> tuple[int, ...]:
    """Return what changes whenever a file is written to or replaced, even if its size and time are set back."""
    try:
        status = file.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read(file: Path) -> Mapping[str, RememberedFile]:
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return {name: RememberedFile(**{**entry, "state": tuple(entry["state"])}) for name, entry in content.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
