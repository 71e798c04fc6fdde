"""The words that requests choose from, each a named enumeration in the OpenAPI document."""

from typing import Literal

from typing_extensions import TypeAliasType  # of `typing` only from Python 3.12 on

WorkKind = TypeAliasType("WorkKind", Literal["routine", "inspection", "corrective"])
Finding = TypeAliasType("Finding", Literal["defect_confirmed", "no_fault_found", "not_inspected"])
Prompt = TypeAliasType("Prompt", Literal["alarm", "schedule", "failure", "audit"])
FeatureSource = TypeAliasType("FeatureSource", Literal["latest", "stored"])
WrittenSource = TypeAliasType("WrittenSource", Literal["manual_override", "simulation", "command"])
