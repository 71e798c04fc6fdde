"""Finds an experiment's file: a path, or the name of a shipped one or of one in the current folder."""

import tomllib
from pathlib import Path

from data_contracts.errors import UsageError, did_you_mean

SHIPPED = Path(__file__).parents[1] / "experiments"
_NEEDED = {"target", "data"}  # tables that an experiment has and few other TOML files have both of


def find_experiment(name_or_path: str) -> Path:
    """Find an experiment's file; `UsageError` if there is neither such a file nor such an experiment."""
    path = Path(name_or_path)
    if path.is_file():
        return path
    known = experiment_files()
    for name in (name_or_path, name_or_path.lower()):
        if name in known:
            return known[name]
    hint = did_you_mean(name_or_path, known) or "Name the path of a TOML file"
    raise UsageError(f"no experiment {name_or_path}", f"a TOML file, or one of {', '.join(known)}", hint)


def experiment_files() -> dict[str, Path]:
    """Return the experiments that can be named: those of the current folder, and the shipped ones, which win."""
    own = {file.stem: file for file in sorted(Path().glob("*.toml")) if _is_experiment(file)}
    return own | {file.stem: file for file in sorted(SHIPPED.glob("*.toml"))}


def _is_experiment(file: Path) -> bool:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8")).keys() >= _NEEDED
    except (OSError, ValueError):
        return False  # no TOML: what its name says is not known
