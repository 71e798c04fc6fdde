"""The terms of ordering that no table of parts holds, of sections of the workspace's settings."""

from collections.abc import Mapping
from typing import Annotated

import pandas as pd
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from data_contracts.configuration.environment import EnvironmentSettings, read_section
from data_contracts.configuration.values import configuration
from data_contracts.workspace import SETTINGS_FILE, Workspace
from features.setting_types import Amount, InnerShare, PositiveDuration
from models.planning.cost_settings import CostSettings, read_costs


@configuration
class OrderSettings:
    """On which terms spare parts are ordered."""

    review: PositiveDuration = pd.Timedelta(days=7)
    """How often orders are placed: what is there and under way has to last until the order after the next decision
    arrives."""
    service_level: InnerShare = 0.95
    """The probability of having enough of a part, where its price or the hour of downtime is not known."""
    old_count: PositiveDuration = pd.Timedelta(days=30)
    """A stock that was counted longer ago is used, and said to be old."""
    memory: Annotated[InnerShare, Field(json_schema_extra={"unit": "share"})] = 0.05
    """How much of what experience says comes from the last week: the smaller, the longer the memory."""


@configuration
class OrderTerms(OrderSettings):
    """The same, and what an hour costs that a machine stands for want of a part; None while that is not known."""

    downtime_per_hour: Amount | None = None

    @property
    def review_days(self) -> float:
        """Return the time between reviews in days."""
        return float(self.review / pd.Timedelta(days=1))


def order_terms(settings: OrderSettings, costs: CostSettings) -> OrderTerms:
    """Return the terms by the settings; parts are priced in the currency of all costs."""
    return OrderTerms(**vars(settings), downtime_per_hour=costs.downtime_per_hour)


class _PartsVariables(EnvironmentSettings):
    """The section by its environment variables."""

    model_config = SettingsConfigDict(env_prefix="FOREWARN_", env_nested_delimiter="_", env_nested_max_split=1)

    parts: OrderSettings = OrderSettings()


def read_order_terms(workspace: Workspace, environ: Mapping[str, str]) -> OrderTerms:
    """Read ``[parts]`` and ``[costs]`` of the workspace's settings, as the endpoint does; environment variables win."""
    parts = read_section(workspace.root / SETTINGS_FILE, environ, _PartsVariables).parts
    return order_terms(parts, read_costs(workspace, environ))
