"""Where experiments lie: in files of their own, or with forewarn."""

from pathlib import Path

from data_contracts.errors import UsageError, did_you_mean

SHIPPED = Path(__file__).parents[1] / "experiments"


def find_experiment(named: str) -> Path:
    """Find an experiment's file.

    Parameters
    ----------
    named : str
        A path, or the name of a shipped experiment.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UsageError
        If there is neither such a file nor such a shipped experiment.
    """
    path = Path(named)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(SHIPPED.glob("*.toml"))}
    if named.lower() in shipped:
        return shipped[named.lower()]
    hint = did_you_mean(named, shipped) or "Name the path of a TOML file"
    raise UsageError(f"no experiment {named}", f"a TOML file, or one of {', '.join(shipped)}", hint)
