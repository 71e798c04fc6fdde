"""Commands about twins described in other standards: twins import, twins compare."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from pipelines.cli.options import DEFAULTS, Shared

Flag = Annotated[bool, Parameter(negative="")]


def import_(
    files: list[Path],
    /,
    *,
    plant: str | None = None,
    line: str | None = None,
    asset_type: str | None = None,
    since: str | None = None,
    out: Path = Path(),
    overwrite: Flag = False,
    dry_run: Flag = False,
    options: Shared = DEFAULTS,
) -> Any:
    """Take over twins from DTDL, an MTConnect probe document or Asset Administration Shells.

    For each asset type an interface and a draft of its contract are written, and the whole graph as twins.json. The
    assets with what they are part of are stored in the workspace; what it has already is not stored again.

    Parameters
    ----------
    files : list of Path
        Files of one standard, or folders of them: DTDL version 3 (.json), answers of an MTConnect agent to probe
        (.xml), Asset Administration Shells of version 3 (.aasx, .xml, .json).
    plant : str, optional
        The plant of machines that the files place nowhere.
    line : str, optional
        Their line.
    asset_type : str, optional
        What the machines are called, such as ``cnc_machine``; by default as the files call their type or model.
    since : str, optional
        Since when the assets have been in their places, such as 2026-03-01; now by default.
    out : Path
        The folder to write interfaces and contracts into.
    overwrite : bool
        Replace files of these names that have another content.
    dry_run : bool
        Show what would be written and stored, and do neither.
    options : Options
        The workspace, created if it does not exist, and the form of the output.
    """
    import pandas as pd

    from data_contracts.workspace import SETTINGS_FILE
    from pipelines.cli.arguments import time_or_now
    from pipelines.importers.twins.described import Places
    from pipelines.importers.twins.import_twins import import_twins
    from pipelines.importers.twins.read_twins import read_twins

    now = pd.Timestamp.now("UTC")
    description = read_twins(files, Places(plant, line, asset_type))
    exists = (options.workspace / SETTINGS_FILE).exists()
    workspace = None if dry_run and not exists else options.open_or_create()
    return import_twins(
        workspace,
        description,
        out,
        since=now if since is None else time_or_now(since),
        now=now,
        overwrite=overwrite,
        dry_run=dry_run,
    )


def compare(one: Path, other: Path, /, *, options: Shared = DEFAULTS) -> Any:  # noqa: ARG001 - the form of the output
    """Name what two descriptions of twins say differently.

    Channels with their units, types, quantities and components, properties, and assets with what they are part of;
    exit status 1 if anything differs.

    Parameters
    ----------
    one : Path
        A file, or a folder of files of one standard, as `twins import` reads them.
    other : Path
        Another one, of the same or another standard.
    options : Options
        The form of the output; no workspace is needed.
    """
    from pipelines.importers.twins.comparison import compared
    from pipelines.importers.twins.read_twins import read_twins

    return compared(str(one), read_twins([one]), str(other), read_twins([other]))
