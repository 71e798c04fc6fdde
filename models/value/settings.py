"""What an hour of downtime costs and repairs take, where nobody records it: a section of the workspace's settings."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from data_contracts.configuration.environment import EnvironmentSettings, EnvironmentSource
from data_contracts.configuration.places import Source, read_toml
from data_contracts.configuration.values import build, configuration
from data_contracts.workspace import SETTINGS_FILE, Workspace
from features.setting_types import Amount, Number, OrWord

_SECTION, _PREFIX = "value", "FOREWARN_"
_Hours = Annotated[Number, Field(ge=0, le=1e6, json_schema_extra={"unit": "h"})]
_NONE = OrWord("none")


@configuration
class ValueSettings:
    """What failures and repairs cost, for `forewarn value`: prices, and what they take where that is not recorded."""

    currency: Annotated[str, Field(max_length=12)] = ""
    """The currency of all amounts here and of the column parts_cost, such as "EUR"; only written beside them."""
    downtime_per_hour: Annotated[Amount | None, _NONE] = None
    """What an hour of unplanned downtime costs; without it nothing is expressed in money."""
    planned_downtime_per_hour: Annotated[Amount | None, _NONE] = None
    """What an hour of planned downtime costs; "none" takes as much as one of unplanned downtime."""
    unplanned_hours: Annotated[_Hours | None, _NONE] = None
    """Hours of downtime of a failure, where downtime_hours is not recorded."""
    planned_hours: Annotated[_Hours | None, _NONE] = None
    """Hours of downtime of a repair prompted by an alarm, where they are not recorded."""
    inspection_hours: Annotated[_Hours | None, _NONE] = None
    """The same of an inspection that finds no fault; "none" takes as many as for a repair."""
    labour_per_hour: Annotated[Amount | None, _NONE] = None
    """What an hour of a mechanic costs; without it labour is no part of the money."""
    unplanned_labour_hours: Annotated[_Hours | None, _NONE] = None
    """Hours of labour of a failure, where labour_hours is not recorded."""
    planned_labour_hours: Annotated[_Hours | None, _NONE] = None
    """Hours of labour of a repair prompted by an alarm, where they are not recorded."""
    inspection_labour_hours: Annotated[_Hours | None, _NONE] = None
    """The same of an inspection that finds no fault; "none" takes as many as for a repair."""
    unplanned_parts: Annotated[Amount | None, _NONE] = None
    """What the parts of a failure cost, where parts_cost is not recorded."""
    planned_parts: Annotated[Amount | None, _NONE] = None
    """What the parts of a repair prompted by an alarm cost, where that is not recorded."""
    energy_per_kwh: Annotated[Amount | None, _NONE] = None
    """What a kilowatt-hour costs; without it energy is no part of the money."""
    confidence: Annotated[Number, Field(ge=0.5, le=0.9999)] = 0.9
    """Confidence of the intervals."""


class _ValueVariables(EnvironmentSettings):
    """The section by its environment variables."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="_", env_nested_max_split=1)

    value: ValueSettings = ValueSettings()


def read_value_settings(workspace: Workspace, environ: Mapping[str, str]) -> ValueSettings:
    """Read ``[value]`` of the workspace's settings alone; variables such as FOREWARN_VALUE_UNPLANNED_HOURS win.

    For the endpoint, which may not read the flows' settings. `UsageError` if a value cannot be understood.
    """
    file = workspace.root / SETTINGS_FILE
    content, source = read_toml(file) if file.exists() else ({}, Source(str(file)))
    variables = {f"{_SECTION}.{name}": f"{_PREFIX}{_SECTION}_{name}".upper() for name in ValueSettings.__annotations__}
    known = {name: text for name, text in environ.items() if name in variables.values()}
    given = EnvironmentSource(_ValueVariables, known)().get(_SECTION, {})
    places = {f"{_SECTION}.{key}": variables[f"{_SECTION}.{key}"] for key in given}
    table = content.get(_SECTION, {})
    merged = {**table, **given} if isinstance(table, dict) else table
    return build(_ValueVariables, {_SECTION: merged}, replace(source, places=places)).value
