"""Commands about indicators: features of short windows, stored as telemetry of their own."""

from pathlib import Path
from typing import Any

from pipelines.cli.options import DEFAULTS, Shared


def add(file: Path, *, options: Shared = DEFAULTS) -> Any:
    """Define indicators, which `forewarn listen` then computes from what it stores.

    Parameters
    ----------
    file : Path
        A TOML file: name, asset_type, window, features, and optionally stride, channels, interval, most_missing.
    options : Options
        The workspace and the form of the output.
    """
    import pandas as pd

    from features.indicators.plan import read_plan
    from pipelines.indicators.definitions import IndicatorList, define

    return IndicatorList((define(options.open(), read_plan(file), now=pd.Timestamp.now("UTC")),))


def listed(*, options: Shared = DEFAULTS) -> Any:
    """List the indicators of the workspace.

    Parameters
    ----------
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.indicators.definitions import IndicatorList, defined

    return IndicatorList(defined(options.open()))


def backfill(name: str | None = None, *, options: Shared = DEFAULTS) -> Any:
    """Compute indicators from the telemetry that is stored; interrupted or repeated, it goes on where it stopped.

    Parameters
    ----------
    name : str, optional
        Which; all of the workspace by default.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.cli.arguments import settings_of
    from pipelines.compute.engine import compute_engine
    from pipelines.indicators.definitions import defined, find
    from pipelines.indicators.follow import follow_all
    from pipelines.terminal.progress import bars

    workspace = options.open()
    chosen = defined(workspace) if name is None else (find(workspace, name),)
    with compute_engine(settings_of(workspace).compute, workspace) as engine, bars() as progress:
        return follow_all(workspace, chosen, engine=engine, progress=progress)
