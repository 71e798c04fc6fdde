"""A simulated fleet of CNC machines, to try forewarn on.

Machines work, wear, fail and are repaired; sensors report with dirt; mechanics act on alarms and report late. A
scenario changes the process or the sensors on a given day, so that a predictor trained before is wrong afterwards.
"""

from pipelines.fleet.plant.channels import CHANNELS
from pipelines.fleet.plant.machines import ASSET_TYPE
from pipelines.fleet.plant.wear import COMPONENTS
from pipelines.fleet.records.dirt import CLEAN, Dirt
from pipelines.fleet.records.error_codes import CODE_NAMES
from pipelines.fleet.scenario import KINDS, Scenario, make_scenario, make_scenarios
from pipelines.fleet.simulation import Fleet, simulate

__all__ = [
    "ASSET_TYPE",
    "CHANNELS",
    "CLEAN",
    "CODE_NAMES",
    "COMPONENTS",
    "KINDS",
    "Dirt",
    "Fleet",
    "Scenario",
    "make_scenario",
    "make_scenarios",
    "simulate",
]
