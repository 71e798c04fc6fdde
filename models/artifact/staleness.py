"""Staleness: how old telemetry may be before its prediction counts as stale, by one rule for batches and the endpoint.

The first of these that is there:

setting     what the operator says
contract    the latency that the contract of the telemetry promises
telemetry   four times the interval within which nearly all readings follow the one before, and the delay within which
            they become known, as measured on the stored telemetry (`data_contracts.tables.readings`)
window      the model's longest window, where nothing is known of how often readings come

Readings of one hour count as one, so that the derived limit is some four hours at least.
"""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.contract.registered import find_telemetry_contract
from data_contracts.tables.readings import ReadingRhythm
from data_contracts.workspace import Workspace
from features.clock import TIME, Clock
from features.names import parse_duration
from features.telemetry.sorted_times import width
from models.artifact.artifact import Artifact
from models.artifact.reasons import Reason
from models.labels.observation import observation_window

NEVER = "none"
"""The setting by which telemetry is never too old."""
_INTERVALS = 4
_LEAST = pd.Timedelta(hours=1)
_SECOND = 1_000_000


@dataclass(frozen=True)
class Staleness:
    """How old telemetry may be."""

    limit: pd.Timedelta | None  # age of the latest reading used; None for any age
    source: Literal["setting", "contract", "telemetry", "window"]
    words: str  # where the limit comes from
    clock: Clock = TIME

    def reason(self, age: int) -> Reason | None:
        """Say why telemetry whose latest reading has this age, in microseconds, is too old; None if it is not."""
        if self.limit is None or age <= (limit := width(self.limit)):
            return None
        old, most = (format_age(each, self.clock) for each in (age, limit))
        words = f"the latest reading used is {old} old, at most {most} {self.words}"
        return Reason("stale", words)

    def describe(self) -> str:
        """Say the limit in a sentence's part, such as "at most 24 h is declared by ..."."""
        if self.limit is None:
            return "of any age, as set"
        return f"at most {format_age(width(self.limit), self.clock)} {self.words}"


def staleness(
    artifact: Artifact, *, setting: str = "", contract: Contract | None = None, rhythm: ReadingRhythm | None = None
) -> Staleness:
    """Return the limit for a model's telemetry: by the setting (a duration, or "none"), the contract or the rhythm."""
    limit = limit_of_type(setting=setting, contract=contract, rhythm=rhythm, clock=artifact.clock)
    if limit is not None:
        return limit
    window = observation_window(artifact.recipe.windows)
    words = "is expected: the model looks no further back, and no contract declares less"
    return Staleness(window, "window", words, artifact.clock)


def limit_of_type(
    *,
    setting: str = "",
    contract: Contract | None = None,
    rhythm: ReadingRhythm | None = None,
    clock: Clock = TIME,
) -> Staleness | None:
    """Return the limit for the telemetry of an asset type, whatever model there is; None where nothing says one."""
    if setting:
        limit = None if setting == NEVER else parse_duration(setting)
        return Staleness(limit, "setting", "is declared", clock)
    if contract is not None and contract.max_age is not None:
        return Staleness(contract.max_age, "contract", f"is declared by the contract {contract.name}", clock)
    if rhythm is None:
        return None
    longest = max(_INTERVALS * rhythm.interval + rhythm.delay, _LEAST)
    every, delay = (format_age(width(each), clock) for each in (rhythm.interval, rhythm.delay))
    known = f" and are known within {delay}" if rhythm.delay > pd.Timedelta(0) else ""
    words = f"is expected: 95 % of the readings follow within {every}{known}"
    return Staleness(longest, "telemetry", words, clock)


def contract_of(workspace: Workspace, asset_type: str) -> Contract | None:
    """Return the contract of an asset type's telemetry that the workspace keeps, or a shipped one; None without."""
    return find_telemetry_contract(workspace.contracts, asset_type)


def format_age(age: int, clock: Clock = TIME) -> str:
    """Write a duration in microseconds as people say it."""
    if clock.cycle is not None:
        return clock.duration(pd.Timedelta(microseconds=age))
    for unit, microseconds, most in (("s", _SECOND, 90), ("min", 60 * _SECOND, 90), ("h", 3600 * _SECOND, 72)):
        if age < most * microseconds:
            return f"{age / microseconds:.3g} {unit}"
    days = age / (24 * 3600 * _SECOND)
    return f"{days:.3g} days" if days < 1000 else f"{days:,.0f} days"
