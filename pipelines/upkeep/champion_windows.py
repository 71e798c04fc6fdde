"""Champions that look back further than raw telemetry is kept: they would score windows that are cut short."""

import pandas as pd

from data_contracts.workspace import Workspace
from features.names import format_duration
from models.registry.registry import Registry


def champions_cut_short(workspace: Workspace, table: str, kept: pd.Timedelta) -> tuple[str, ...]:
    """Name the champions that read a table and look back further than it is kept, each with how far."""
    registry = Registry(workspace)
    champions = [(name, version) for name in registry.names() if (version := registry.champion(name)) is not None]
    recipes = [(name, version, registry.recipe(name, version)) for name, version in champions]
    return tuple(
        f"the champion of {name}, version {version}, looks back {format_duration(recipe.lookback)} and upkeep.raw is "
        f"{format_duration(kept)}"
        for name, version, recipe in recipes
        if f"telemetry/{recipe.asset_type}" == table and recipe.lookback > kept
    )
