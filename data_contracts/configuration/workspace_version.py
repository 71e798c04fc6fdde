"""The version of a workspace's layout: which files it has, and what is in them; each store has a version of its own."""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from data_contracts.errors import StorageError

VERSION_FILE: Final = "workspace.json"
WORKSPACE_VERSION: Final = 1
"""0 is a workspace from before this was noted; its files are as in 1, except that others may read them."""


def read_workspace_version(root: Path) -> int:
    """Return the version of a workspace; a `StorageError` if it is later than this program knows, or unreadable."""
    file = root / VERSION_FILE
    if not file.exists():
        return 0
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        found, made_by = int(content["version"]), str(content["forewarn"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{file} cannot be read ({error})",
            f'a file such as {{"version": {WORKSPACE_VERSION}, "forewarn": "{forewarn_version()}"}}',
            "Restore it from a backup",
        ) from error
    if found > WORKSPACE_VERSION or found < 0:
        raise StorageError(
            f"the workspace at {root} has version {found}, written by forewarn {made_by}",
            f"version {WORKSPACE_VERSION} or an earlier one, as this is forewarn {forewarn_version()}",
            f"Use forewarn {made_by} or a later one, or restore a backup from before the workspace was upgraded",
        )
    return found


def write_workspace_version(root: Path) -> None:
    """Note that a workspace is as this program writes it."""
    file, content = root / VERSION_FILE, {"version": WORKSPACE_VERSION, "forewarn": forewarn_version()}
    part = file.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(content) + "\n", encoding="utf-8")
    part.replace(file)


def forewarn_version() -> str:
    """Return the version of this program."""
    try:
        return version("forewarn")
    except PackageNotFoundError:
        return "unknown"
