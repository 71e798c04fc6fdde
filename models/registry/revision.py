"""Which code trained a model: the git commit, and a digest of the source that ran."""

import hashlib
import importlib.util
import subprocess
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("data_contracts", "features", "models")
"""The packages whose source determines what a model predicts."""


@dataclass(frozen=True)
class Revision:
    """The code that ran."""

    git: str | None  # commit, with "+changes" when files differed from it; None outside a git work tree
    source: str  # digest of the source of `PACKAGES`

    def __str__(self) -> str:
        return f"{self.git or 'no git'} source {self.source}"


def code_revision() -> Revision:
    """Identify the code that is running.

    Returns
    -------
    Revision
        The git commit, None outside a git work tree, and a digest of the source of `PACKAGES`.
    """
    folders = package_folders()
    return Revision(_git_commit(folders[-1].parent), source_digest(folders))


def package_folders() -> tuple[Path, ...]:
    """Return the folders of the packages that a model needs to be loaded and applied."""
    specs = [importlib.util.find_spec(name) for name in PACKAGES]
    return tuple(Path(spec.origin).parent for spec in specs if spec is not None and spec.origin is not None)


def source_digest(folders: tuple[Path, ...]) -> str:
    """Digest the Python source, contracts and interfaces in some folders: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(f for suffix in ("py", "yaml", "json") for f in folder.rglob(f"*.{suffix}")):
            digest.update(f"{folder.name}/{file.relative_to(folder).as_posix()}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _git_commit(folder: Path) -> str | None:
    try:
        commit = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--", *PACKAGES)
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    # The git that is first on the path is the one that made the commit.
    run = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)  # noqa: S607
    return run.stdout.strip()
