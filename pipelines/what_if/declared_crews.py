"""How many machines crews visit today, as far as the workspace's settings declare it.

The default of the section is for worklists: what nobody has declared is not what is done.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic_settings import SettingsConfigDict

from data_contracts.configuration.environment import EnvironmentSettings, read_section
from data_contracts.configuration.values import configuration
from data_contracts.workspace import SETTINGS_FILE, Workspace
from features.setting_types import Count, OrWord


@configuration
class CrewSettings:
    """The key of the section planning that says how many machines the crews repair."""

    machines_per_day: Annotated[Count | None, OrWord("any")] = None
    """How many machines all crews together can repair in a day; no limit where it is not declared."""


class _PlanningVariables(EnvironmentSettings):
    """The key by its environment variable."""

    model_config = SettingsConfigDict(env_prefix="FOREWARN_", env_nested_delimiter="_", env_nested_max_split=1)

    planning: CrewSettings = CrewSettings()


def declared_crews(workspace: Workspace, environ: Mapping[str, str]) -> int | None:
    """Return ``planning.machines_per_day`` where the settings or the environment declare it; None for no limit."""
    file = workspace.root / SETTINGS_FILE
    return read_section(file, environ, _PlanningVariables, others=True).planning.machines_per_day
