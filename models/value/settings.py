"""How the ledger of value is estimated, a section of the workspace's settings."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from data_contracts.configuration.environment import EnvironmentSettings, read_section
from data_contracts.configuration.values import configuration
from data_contracts.workspace import SETTINGS_FILE, Workspace
from features.setting_types import Duration, Number, OrWord

_AUTO = OrWord("auto")


@configuration
class ValueSettings:
    """How the ledger of value is estimated; what things cost is said in [costs]."""

    confidence: Annotated[Number, Field(ge=0.5, le=0.9999)] = 0.9
    """Confidence of the intervals."""


@configuration
class CountingSettings:
    """How the monitor counts alarms, which the ledger follows: keys of the section monitor."""

    gap: Annotated[Duration | None, _AUTO] = None
    """Alerts of an asset no further apart than this are one episode."""
    reporting_delay: Annotated[Duration | None, _AUTO] = None
    """How long reports of failures and findings may take."""


class _ValueVariables(EnvironmentSettings):
    """The section by its environment variables."""

    model_config = SettingsConfigDict(env_prefix="FOREWARN_", env_nested_delimiter="_", env_nested_max_split=1)

    value: ValueSettings = ValueSettings()


class _MonitorVariables(EnvironmentSettings):
    """The keys of the monitor's section by their environment variables."""

    model_config = SettingsConfigDict(env_prefix="FOREWARN_", env_nested_delimiter="_", env_nested_max_split=1)

    monitor: CountingSettings = CountingSettings()


def read_counting(workspace: Workspace, environ: Mapping[str, str]) -> CountingSettings:
    """Read what ``[monitor]`` says of counting, as `read_value_settings` does."""
    return read_section(workspace.root / SETTINGS_FILE, environ, _MonitorVariables, others=True).monitor


def read_value_settings(workspace: Workspace, environ: Mapping[str, str]) -> ValueSettings:
    """Read ``[value]`` of the workspace's settings alone, as the endpoint does; environment variables win."""
    return read_section(workspace.root / SETTINGS_FILE, environ, _ValueVariables).value
