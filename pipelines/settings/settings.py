"""The settings of the flows: read once, at the entry points, and handed down as arguments.

A setting comes from the environment (``FOREWARN_MONITOR_SPAN``), else from the workspace's ``forewarn.toml``
(``[monitor] span = "60d"``), else it has its default. Nothing has to be set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from pydantic_settings import SettingsConfigDict

from data_contracts.configuration.database import DatabaseSettings
from data_contracts.configuration.environment import EnvironmentSettings, EnvironmentSource
from data_contracts.configuration.places import Source, read_toml
from data_contracts.configuration.schemas import json_schema, property_at
from data_contracts.configuration.signing import SigningSettings
from data_contracts.configuration.values import build
from data_contracts.errors import UsageError, did_you_mean
from data_contracts.workspace import SETTINGS_FILE, StorageSettings, Workspace
from features.setting_types import format_setting
from models.diagnosis.diagnosis_types import Limits
from models.hold_back.policy import PolicySettings
from models.parts.orders.order_terms import OrderSettings
from models.planning.cost_settings import CostSettings
from models.planning.planning_settings import PlanningSettings
from models.retraining.promotion_rules import PromotionRules
from models.value.settings import ValueSettings
from pipelines.settings.links import LinkSettings
from pipelines.settings.sections import (
    AuditSettings,
    ComputeSettings,
    DriftSettings,
    IngestSettings,
    LiveSettings,
    MonitorSettings,
    ProbationSettings,
    RetentionSettings,
    RetrainSettings,
    ScheduleSettings,
    UpkeepSettings,
)

PREFIX = "FOREWARN_"
# Read by other parts: the command line, the workspace, the endpoint and the tests.
ELSEWHERE = (
    "FOREWARN_EVENT_SOURCE",
    "FOREWARN_WORKSPACE",
    "FOREWARN_TABLES_URL",
    "FOREWARN_RECORDS_URL",
    "FOREWARN_MLFLOW_URI",
    "FOREWARN_MQTT_PASSWORD",
    "FOREWARN_SOURCE_PASSWORD",
    "FOREWARN_TEST_CASES",
    "FOREWARN_TEST_DATASETS",
)
RENAMED = {"retrain.most_untold": "retrain.max_unreported_share"}
_STORAGE = "storage"
_ENDPOINT = "serving"


class Settings(EnvironmentSettings):
    """What the flows go by: the sections of ``forewarn.toml``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="_", env_nested_max_split=1)

    storage: StorageSettings = StorageSettings()
    database: DatabaseSettings = DatabaseSettings()
    signing: SigningSettings = SigningSettings()
    monitor: MonitorSettings = MonitorSettings()
    drift: DriftSettings = DriftSettings()
    retrain: RetrainSettings = RetrainSettings()
    promotion: PromotionRules = PromotionRules()
    probation: ProbationSettings = ProbationSettings()
    diagnosis: Limits = Limits()
    audits: AuditSettings = AuditSettings()
    policy: PolicySettings = PolicySettings()
    costs: CostSettings = CostSettings()
    parts: OrderSettings = OrderSettings()
    value: ValueSettings = ValueSettings()
    planning: PlanningSettings = PlanningSettings()
    ingest: IngestSettings = IngestSettings()
    compute: ComputeSettings = ComputeSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    live: LiveSettings = LiveSettings()
    upkeep: UpkeepSettings = UpkeepSettings()
    retention: RetentionSettings = RetentionSettings()
    link: LinkSettings = LinkSettings()

    def with_section(self, name: str, **changes: Any) -> "Settings":
        """Derive the same settings with some keys of a section changed."""
        return self.model_copy(update={name: replace(getattr(self, name), **changes)})


@dataclass(frozen=True)
class SettingSource:
    """Where a setting's value comes from."""

    name: str  # as in the file: "monitor.span"
    value: str  # as written
    source: str  # "default", "file" or "environment"
    variable: str  # the environment variable that would set it


def read_settings(workspace: Workspace, environ: Mapping[str, str]) -> Settings:
    """Read the settings of a workspace; environment variables win over its ``forewarn.toml``.

    Parameters
    ----------
    workspace
        Its ``forewarn.toml`` is read.
    environ
        Environment variables.

    Returns
    -------
    Settings
        Every value parsed.

    Raises
    ------
    UsageError
        If the file is broken, names an unknown setting, or a value cannot be understood.
    """
    file, source = _read_file(workspace)
    given = _read_environment(environ)
    places = {f"{section}.{key}": variable(f"{section}.{key}") for section, keys in given.items() for key in keys}
    for section, keys in given.items():
        file[section] = {**file.get(section, {}), **keys} if isinstance(file.get(section, {}), dict) else file[section]
    return build(Settings, file, replace(source, places=places, renamed=RENAMED))


def setting_sources(workspace: Workspace, environ: Mapping[str, str]) -> tuple[SettingSource, ...]:
    """List every setting as written, with its source; `read_settings` has accepted them."""
    (file, _), given, default = _read_file(workspace), _read_environment(environ), Settings()
    sources = []
    for name in setting_names():
        section, key = name.split(".")
        if key in given.get(section, {}):
            value, source = environ[variable(name)], "environment"
        elif key in file.get(section, {}):
            value, source = _written(file[section][key]), "file"
        else:
            usual = property_at(json_schema(Settings), (section, key)) or {}
            value, source = _written(getattr(getattr(default, section), key) or usual.get("default", "")), "default"
        sources.append(SettingSource(name, value, source, variable(name)))
    return tuple(sources)


def setting_names() -> tuple[str, ...]:
    """List the settings by their names in the file, such as "monitor.span"; the workspace reads [storage] itself."""
    # Not from the JSON Schema, which parses source files: every run of a flow reads its settings.
    return tuple(
        f"{section}.{field.alias or name}"
        for section, info in Settings.model_fields.items()
        if section != _STORAGE
        for name, field in info.annotation.__pydantic_fields__.items()  # type: ignore[union-attr]
    )


def unknown_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Map the FOREWARN_* variables that nothing reads to a suggestion each, which may be empty."""
    known = [*map(variable, setting_names()), *ELSEWHERE]
    strange = [
        name
        for name in environ
        if name.startswith(PREFIX) and name not in known and not name.startswith("FOREWARN_SERV")
    ]
    renamed = {variable(old): f"It is called {variable(new)} now" for old, new in RENAMED.items()}
    return {name: renamed.get(name) or did_you_mean(name, known) for name in sorted(strange)}


def variable(name: str) -> str:
    """Return the environment variable of a setting.

    Examples
    --------
    >>> variable("monitor.span")
    'FOREWARN_MONITOR_SPAN'
    """
    return PREFIX + name.replace(".", "_").upper()


def _read_environment(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    for old, new in RENAMED.items():
        if environ.get(variable(old)):
            raise UsageError(f"the variable {variable(old)}", variable(new), f"It is called {variable(new)} now")
    known = set(map(variable, setting_names()))
    # What nothing reads is reported by `forewarn doctor`; it stops no flow.
    return EnvironmentSource(Settings, {name: text for name, text in environ.items() if name in known})()


def _read_file(workspace: Workspace) -> tuple[dict[str, Any], Source]:
    file = workspace.root / SETTINGS_FILE
    if not file.exists():
        return {}, Source(str(file))
    content, source = read_toml(file)
    if _ENDPOINT in content:
        variables = "the endpoint's settings as FOREWARN_SERVE_PORT and its like"
        raise UsageError(f"{source.at(_ENDPOINT)} is not read", variables, "Move them there")
    return content, source


def _written(value: Any) -> str:
    """Write a value as a person would in the file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, pd.Timedelta):
        return format_setting(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(_written, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
