"""The policy by which alarms are held back, a section of the workspace's settings that the endpoint reads too."""

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from data_contracts.configuration.environment import EnvironmentSettings, EnvironmentSource
from data_contracts.configuration.places import Source, read_toml
from data_contracts.configuration.values import build, configuration
from data_contracts.workspace import SETTINGS_FILE, Workspace
from features.setting_types import Glob, Integer, Number, OneOrMore

_SECTION, _PREFIX = "policy", "FOREWARN_"


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

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="_", env_nested_max_split=1)

    policy: PolicySettings = PolicySettings()


def read_policy(workspace: Workspace, environ: Mapping[str, str]) -> PolicySettings:
    """Read ``[policy]`` of the workspace's settings alone; environment variables such as FOREWARN_POLICY_HOLD_BACK win.

    `UsageError` if a value cannot be understood. A bundled model's workspace may have no settings file.
    """
    file = workspace.root / SETTINGS_FILE
    content, source = read_toml(file) if file.exists() else ({}, Source(str(file)))
    variables = {f"{_SECTION}.{name}": f"{_PREFIX}{_SECTION}_{name}".upper() for name in PolicySettings.__annotations__}
    known = {name: text for name, text in environ.items() if name in variables.values()}
    given = EnvironmentSource(_PolicyVariables, known)().get(_SECTION, {})
    places = {f"{_SECTION}.{key}": variables[f"{_SECTION}.{key}"] for key in given}
    table = content.get(_SECTION, {})
    merged = {**table, **given} if isinstance(table, dict) else table
    return build(_PolicyVariables, {_SECTION: merged}, replace(source, places=places)).policy
