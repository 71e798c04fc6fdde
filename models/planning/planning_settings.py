"""What a worklist is planned by unless it is asked for otherwise: a section of the workspace's settings."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from data_contracts.configuration.environment import EnvironmentSettings, read_section
from data_contracts.configuration.values import configuration
from data_contracts.workspace import SETTINGS_FILE, Workspace
from features.setting_types import Count, Flag, Number, OrWord

_Hours = Annotated[Number, Field(ge=0, le=10_000, json_schema_extra={"unit": "h"})]
_SomeHours = Annotated[Number, Field(gt=0, le=10_000, json_schema_extra={"unit": "h"})]


@configuration
class PlanningSettings:
    """The crews and the days of the worklist, for its page and its command."""

    days: Annotated[Count, Field(ge=1, le=60)] = 7
    """How many days of 24 hours are planned."""
    machines_per_day: Annotated[Count | None, OrWord("any")] = 2
    """How many machines all crews together can repair in a day; "any" for no limit but their hours."""
    hours_per_day: Annotated[_Hours | None, OrWord("any")] = None
    """How many hours all crews together can work in a day; "any" for no limit but their machines."""
    repair_hours: _SomeHours = 4.0
    """How many hours of the crews a repair takes."""
    alerts_only: Flag = True
    """Whether only machines with an alert are planned for; best where the plan is made anew each day."""
    failures_per_hour_after_repair: Annotated[Number, Field(ge=0, le=1)] = 0.0
    """How often a repaired machine fails in an hour; 0 ignores failures after a repair."""


class _PlanningVariables(EnvironmentSettings):
    """The section by its environment variables."""

    model_config = SettingsConfigDict(env_prefix="FOREWARN_", env_nested_delimiter="_", env_nested_max_split=1)

    planning: PlanningSettings = PlanningSettings()


def read_planning(workspace: Workspace, environ: Mapping[str, str]) -> PlanningSettings:
    """Read ``[planning]`` of the workspace's settings alone, as the endpoint does; environment variables win."""
    return read_section(workspace.root / SETTINGS_FILE, environ, _PlanningVariables).planning
