"""Restoring a workspace from a backup: every file is checked, and it works at any place."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from data_contracts.configuration.database import without_password
from data_contracts.configuration.sqlite_urls import sqlite_url
from data_contracts.copies.file_copy import FileDigest, copy_file, file_digest
from data_contracts.copies.records_copy import copy_from_file, refuse_filled_database, withhold_restored
from data_contracts.errors import StorageError
from data_contracts.progress import ProgressCallback, silent
from data_contracts.twin_state.command_switch import withdraw_restored
from data_contracts.workspace import ARTIFACTS_FOLDER, RECORDS_FILE, REGISTRY_FILE, SETTINGS_FILE
from models.registry.store.moved_store import rewrite_prefix
from pipelines.workspaces.manifest import CONTENT, Manifest, read_manifest
from pipelines.workspaces.new_folder import new_folder, refuse_filled

if TYPE_CHECKING:
    from rich.text import Text

_MB = 1e6
_NAMED = 5  # files that a message names


@dataclass(frozen=True)
class RestoreResult:
    """A workspace that was restored, or that could be."""

    target: Path
    manifest: Manifest
    dry_run: bool
    settings: tuple[str, ...]  # of [storage]: they named the stores of the workspace that was backed up
    records: str | None = None  # the database that they are in, where it is not the workspace's own file
    commands_withdrawn: int = 0  # that the original had left open
    commands_off: bool = False  # whether it commanded machines, and this one does not
    channels_withheld: int = 0  # that the original delivers by, and this one does not

    def to_dict(self) -> dict[str, Any]:
        """Return what was restored, without the digests."""
        return {
            "workspace": str(self.target),
            "dry_run": self.dry_run,
            "from": self.manifest.workspace,
            "made_at": self.manifest.made_at,
            "files": len(self.manifest.files),
            "bytes": self.manifest.size,
            "tables": dict(self.manifest.tables),
            "models": {name: list(versions) for name, versions in self.manifest.models.items()},
            "settings_left_out": list(self.settings),
            "records": self.records,
            "commands_withdrawn": self.commands_withdrawn,
            "commands_off": self.commands_off,
            "channels_withheld": self.channels_withheld,
        }

    def __rich__(self) -> "Text":
        """Render it in sentences."""
        from rich.text import Text

        made, done = self.manifest, "It would be restored" if self.dry_run else "Restored"
        left_out = f" Its stores are its own, so that {SETTINGS_FILE} leaves out {'; '.join(self.settings)}."
        return Text(
            f"The backup of {made.workspace} from {made.made_at} is whole. {done} to {self.target}: "
            f"{len(made.files):,} files, {made.size / _MB:,.1f} MB.{left_out if self.settings else ''}"
            f"{f' Its records are in {self.records}.' if self.records else ''}{self._commands()}"
        )

    def _commands(self) -> str:
        commands = f"it commands no machine, and {self.commands_withdrawn:,} open commands are withdrawn"
        channels = f"none of its {self.channels_withheld:,} channels delivers events"
        parts = ([commands] if self.commands_off else []) + ([channels] if self.channels_withheld else [])
        if not parts:
            return ""
        words = "; ".join(parts)
        return f" {words[0].upper()}{words[1:]}: once the original is out of use, run `forewarn twins take-over`."


def restore(
    backup: Path,
    target: Path,
    *,
    now: pd.Timestamp,
    records: str | None = None,
    dry_run: bool = False,
    progress: ProgressCallback = silent,
) -> RestoreResult:
    """Restore a backup into a new folder, or only check that it could be.

    Settings that say where stores are, are commented out: the restored workspace has its own; `records` is the URL of
    an empty database to put them into instead. Open commands to machines are withdrawn, and no more are published, nor
    events delivered, until somebody takes over. `NotFoundError` if there is no finished backup, `StorageError` if a
    file of it is missing or damaged, `UsageError` if the target is filled.
    """
    manifest, target = read_manifest(backup), Path(os.path.abspath(target))  # noqa: PTH100 - a link stays one
    refuse_filled(target)
    if records is not None:
        refuse_filled_database(records)
    settings = backup / CONTENT / SETTINGS_FILE
    shown = None if records is None else without_password(records)
    if dry_run:
        _check(backup, manifest, progress)
        left_out = own_stores(settings.read_text(encoding="utf-8"))[1]
        return RestoreResult(target, manifest, dry_run, left_out, shown)
    with new_folder(target) as filled:
        _copy(backup, manifest, filled, progress)
        text, left_out = own_stores((filled / SETTINGS_FILE).read_text(encoding="utf-8"))
        rewrite_prefix(filled / REGISTRY_FILE, manifest.artifacts, str(target.resolve() / ARTIFACTS_FOLDER))
        for folder in ("tables", ARTIFACTS_FOLDER, "prefect", "reports"):
            (filled / folder).mkdir(mode=0o700, exist_ok=True)
        withdrawn, off = withdraw_restored(sqlite_url(filled / RECORDS_FILE), now)
        withheld = withhold_restored(sqlite_url(filled / RECORDS_FILE))
        if records is not None:
            text = with_records(text, records)
            copy_from_file(filled / RECORDS_FILE, records)
            for file in filled.glob(f"{RECORDS_FILE}*"):
                file.unlink()
        (filled / SETTINGS_FILE).write_text(text, encoding="utf-8")
    return RestoreResult(target, manifest, dry_run, left_out, shown, withdrawn, off, withheld)


def with_records(settings: str, url: str) -> str:
    r"""Write into a settings file where the records are.

    Examples
    --------
    >>> with_records('[storage]\n[monitor]\nspan = "9d"\n', "postgresql://db/plant")
    '[storage]\nrecords = "postgresql://db/plant"\n[monitor]\nspan = "9d"\n'
    """
    line = f"records = {json.dumps(url)}"
    section = re.compile(r"^(\s*\[\s*storage\s*\].*)$", re.MULTILINE)
    if section.search(settings):
        return section.sub(lambda header: f"{header[1]}\n{line}", settings, count=1)
    return f"{settings.rstrip()}\n\n[storage]\n{line}\n"


def own_stores(settings: str) -> tuple[str, tuple[str, ...]]:
    r"""Comment out what a settings file says of where stores are; return the text, and those lines.

    Examples
    --------
    >>> own_stores('[storage]\ntables = "/mnt/t"\n[monitor]\nspan = "9d"\n')
    ('[storage]\n# restored: tables = "/mnt/t"\n[monitor]\nspan = "9d"\n', ('tables = "/mnt/t"',))
    """
    lines, section, left_out = settings.splitlines(keepends=True), "", list[str]()
    for number, line in enumerate(lines):
        if header := re.match(r"\s*\[+([^\[\]]+)\]", line):
            section = header[1].strip()
        dotted = not section and re.match(r"\s*storage\s*[.=]", line)
        if (section == "storage" and re.match(r"\s*[\w\"']+\s*=", line)) or dotted:
            lines[number] = f"# restored: {line}"
            left_out.append(line.strip())
    return "".join(lines), tuple(left_out)


def _copy(backup: Path, manifest: Manifest, target: Path, progress: ProgressCallback) -> None:
    wrong = list[str]()
    for number, (path, digest) in enumerate(manifest.files.items()):
        progress("restoring files", number, len(manifest.files))
        copied = _attempt(lambda path=path: copy_file(backup / path, target / path.removeprefix(f"{CONTENT}/")))
        if copied != digest:
            wrong.append(path)
    progress("restoring files", len(manifest.files), len(manifest.files))
    _refuse_wrong(backup, wrong)


def _check(backup: Path, manifest: Manifest, progress: ProgressCallback) -> None:
    wrong = list[str]()
    for number, (path, digest) in enumerate(manifest.files.items()):
        progress("checking files", number, len(manifest.files))
        if _attempt(lambda path=path: file_digest(backup / path)) != digest:
            wrong.append(path)
    _refuse_wrong(backup, wrong)


def _attempt(read: Any) -> FileDigest | None:
    try:
        digest: FileDigest = read()
    except FileNotFoundError:
        return None
    return digest


def _refuse_wrong(backup: Path, wrong: list[str]) -> None:
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise StorageError(
            f"{len(wrong)} files of the backup at {backup} are missing or damaged: {', '.join(wrong[:_NAMED])}{more}",
            "every file with the digest that it was written with",
            "Restore another backup; nothing was restored",
        )
