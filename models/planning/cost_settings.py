"""What failures, repairs and the hours of machines and people cost: a section of the workspace's settings."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, WithJsonSchema
from pydantic_settings import SettingsConfigDict

from data_contracts.configuration.environment import EnvironmentSettings, read_section
from data_contracts.configuration.values import configuration
from data_contracts.workspace import SETTINGS_FILE, Workspace
from features.setting_types import Amount, Number, OrWord
from models.planning.worklist_costs import Costs

_Hours = Annotated[Number, Field(ge=0, le=10_000, json_schema_extra={"unit": "h"})]
_PATTERN = r"^([A-Z]{3})?$"
_SCHEMA = {"type": "string", "title": 'a code of ISO 4217 such as "EUR"', "pattern": _PATTERN}
_Currency = Annotated[str, Field(pattern=_PATTERN), WithJsonSchema(_SCHEMA)]
_UNKNOWN = OrWord("unknown")


@configuration
class CostSettings:
    """What things cost, all in one currency: for worklists, orders of parts, the ledger of value and what-if."""

    currency: _Currency = ""
    """The currency of all amounts, also of those in tables; only written beside them."""
    downtime_per_hour: Annotated[Amount | None, _UNKNOWN] = None
    """What an hour costs that a machine stands because it failed, or for want of a part; while it is "unknown", value
    is not expressed in money, and parts are ordered up to a probability of having enough."""
    planned_downtime_per_hour: Annotated[Amount | None, OrWord("as unplanned")] = None
    """What an hour costs that a machine stands for planned work."""
    failure: Annotated[Amount | None, OrWord("auto")] = None
    """What a failure costs besides downtime, for worklists and what-if; "auto" takes the experiment's cost of a missed
    failure, which has the downtime in it, or nothing where the hours after a failure and their price are known."""
    planned: Annotated[Amount | None, OrWord("auto")] = None
    """What a planned repair costs besides downtime, for worklists and what-if; "auto" takes the experiment's cost of a
    false alarm for worklists, and nothing for what-if."""
    unplanned_hours: Annotated[_Hours | None, _UNKNOWN] = None
    """Hours of downtime of a failure, where downtime_hours is not recorded."""
    planned_hours: Annotated[_Hours | None, _UNKNOWN] = None
    """Hours of downtime of a repair prompted by an alarm, where they are not recorded; a worklist's repairs take its
    repair_hours."""
    inspection_hours: Annotated[_Hours | None, OrWord("as a repair")] = None
    """Hours of downtime of an inspection that finds no fault, where they are not recorded."""
    labour_per_hour: Annotated[Amount | None, _UNKNOWN] = None
    """What an hour of a mechanic costs; while it is "unknown", labour is no part of the money."""
    unplanned_labour_hours: Annotated[_Hours | None, _UNKNOWN] = None
    """Hours of labour of a failure, where labour_hours is not recorded."""
    planned_labour_hours: Annotated[_Hours | None, _UNKNOWN] = None
    """Hours of labour of a repair prompted by an alarm, where they are not recorded."""
    inspection_labour_hours: Annotated[_Hours | None, OrWord("as a repair")] = None
    """Hours of labour of an inspection that finds no fault, where they are not recorded."""
    unplanned_parts: Annotated[Amount | None, _UNKNOWN] = None
    """What the parts of a failure cost, where parts_cost is not recorded."""
    planned_parts: Annotated[Amount | None, _UNKNOWN] = None
    """What the parts of a repair prompted by an alarm cost, where that is not recorded."""
    energy_per_kwh: Annotated[Amount | None, _UNKNOWN] = None
    """What a kilowatt-hour costs; while it is "unknown", energy is no part of the money."""

    @property
    def planned_hour(self) -> float | None:
        """Return what an hour of planned downtime costs; None if nothing is known of hours."""
        own = self.planned_downtime_per_hour
        return self.downtime_per_hour if own is None else own

    def of_asset(self, *, missed_failure: float, false_alarm: float) -> Costs:
        """Return what a worklist's repairs and failures cost; what is "auto" by an experiment's costs of errors."""
        by_hour = bool(self.downtime_per_hour and self.unplanned_hours)
        of_failure = 0.0 if by_hour else missed_failure
        return Costs(
            planned=false_alarm if self.planned is None else self.planned,
            failure=of_failure if self.failure is None else self.failure,
            downtime_per_hour=self.downtime_per_hour or 0.0,
            unplanned_hours=self.unplanned_hours or 0.0,
            planned_downtime_per_hour=self.planned_hour or 0.0,
        )


class _CostsVariables(EnvironmentSettings):
    """The section by its environment variables."""

    model_config = SettingsConfigDict(env_prefix="FOREWARN_", env_nested_delimiter="_", env_nested_max_split=1)

    costs: CostSettings = CostSettings()


def read_costs(workspace: Workspace, environ: Mapping[str, str]) -> CostSettings:
    """Read ``[costs]`` of the workspace's settings alone, as the endpoint does; environment variables win."""
    return read_section(workspace.root / SETTINGS_FILE, environ, _CostsVariables).costs
