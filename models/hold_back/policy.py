"""The policy by which alarms are held back, a section of the workspace's settings that the endpoint reads too."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from data_contracts.configuration.environment import EnvironmentSettings, read_section
from data_contracts.configuration.values import configuration
from data_contracts.workspace import SETTINGS_FILE, Workspace
from features.setting_types import Glob, Integer, Number, OneOrMore


@configuration
class PolicySettings:
    """Whether some alarms are held back at random, so that the effect of acting on the others can be measured."""

    hold_back: Annotated[Number, Field(ge=0, le=0.5, json_schema_extra={"unit": "share"})] = 0.0
    """The share of the alarms that nobody is to act on, drawn at random, at most a half; 0 holds back none, at once."""
    hold_back_seed: Integer = 0
    """The plant's own seed of the draws; keep it."""
    hold_back_except: Annotated[tuple[Glob, ...], OneOrMore()] = ()
    """Glob patterns of assets whose alarms are never held back, nor counted in the effect of acting."""

    def excepts(self, asset: str) -> bool:
        """Whether an asset's alarms are never held back."""
        return any(fnmatchcase(asset, pattern) for pattern in self.hold_back_except)


class _PolicyVariables(EnvironmentSettings):
    """The section by its environment variables."""

    model_config = SettingsConfigDict(env_prefix="FOREWARN_", env_nested_delimiter="_", env_nested_max_split=1)

    policy: PolicySettings = PolicySettings()


def read_policy(workspace: Workspace, environ: Mapping[str, str]) -> PolicySettings:
    """Read ``[policy]`` of the workspace's settings alone; environment variables such as FOREWARN_POLICY_HOLD_BACK win.

    `UsageError` if a value cannot be understood. A bundled model's workspace may have no settings file.
    """
    return read_section(workspace.root / SETTINGS_FILE, environ, _PolicyVariables).policy
