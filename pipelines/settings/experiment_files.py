"""Finds an experiment's file: a path, or the name of a shipped one."""

from pathlib import Path

from data_contracts.errors import UsageError, did_you_mean

SHIPPED = Path(__file__).parents[1] / "experiments"


def find_experiment(name_or_path: str) -> Path:
    """Find an experiment's file; `UsageError` if there is neither such a file nor such a shipped experiment."""
    path = Path(name_or_path)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(SHIPPED.glob("*.toml"))}
    if name_or_path.lower() in shipped:
        return shipped[name_or_path.lower()]
    hint = did_you_mean(name_or_path, shipped) or "Name the path of a TOML file"
    raise UsageError(f"no experiment {name_or_path}", f"a TOML file, or one of {', '.join(shipped)}", hint)
