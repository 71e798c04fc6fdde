"""Which code trained a model: git's word for it, and a digest of the source that ran."""

import hashlib
import importlib.util
import subprocess
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("data_contracts", "features", "models")
"""The packages whose source decides what a model predicts."""


@dataclass(frozen=True)
class Revision:
    """Name the code that ran.

    Parameters
    ----------
    git
        The commit, with ``+changes`` when files differed from it; None outside a git work tree.
    source
        A digest of the source of `PACKAGES`.
    """

    git: str | None
    source: str

    def __str__(self) -> str:
        return f"{self.git or 'no git'} source {self.source}"


def code_revision() -> Revision:
    """Find out which code is running.

    Returns
    -------
    Revision
    """
    folders = package_folders()
    return Revision(_git_commit(folders[-1].parent), source_digest(folders))


def package_folders() -> tuple[Path, ...]:
    """Return the folders of the packages that a model needs to be loaded and applied."""
    found = [importlib.util.find_spec(name) for name in PACKAGES]
    return tuple(Path(spec.origin).parent for spec in found if spec is not None and spec.origin is not None)


def source_digest(folders: tuple[Path, ...]) -> str:
    """Digest the Python source, contracts and interfaces in some folders.

    Parameters
    ----------
    folders
        Package folders.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
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
    # Whoever's git is first on the path is the one that made the commit.
    run = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)  # noqa: S607
    return run.stdout.strip()
