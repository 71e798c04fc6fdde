"""Freshness: how old telemetry may be, how long a prediction is valid, and the kinds of reasons for abstaining."""

from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from data_contracts.contract.contract import Contract, telemetry_contract
from data_contracts.errors import NotFoundError
from features.names import parse_duration
from features.telemetry.sorted_times import width
from models.artifact.artifact import Artifact
from serving.settings import Settings

NEVER = "none"
"""The setting by which telemetry is never too old."""
_SHARE_OF_HORIZON = 4
_SECOND = 1_000_000
# Words in the reasons that this package, features and models give, and the label of the metric for each kind.
_KINDS = {
    "broke its contract": "contract",
    "no features are stored": "no_features",
    "unknown asset": "unknown_asset",
    "the asset is of type": "asset_type",
    "no telemetry": "no_telemetry",
    "samples are missing": "gaps",
    "operating regime": "operating_regime",
    "beyond computing": "not_finite",
}


@dataclass(frozen=True)
class Freshness:
    """How old telemetry may be and how long a prediction is valid, in microseconds."""

    stale_after: int | None  # age of the latest reading used; None for any age
    valid_for: int  # after the cut-off

    def staleness_reason(self, age: int) -> str | None:
        """Say why telemetry whose latest reading has this age is too old; None if it is not."""
        if self.stale_after is None or age <= self.stale_after:
            return None
        return f"the latest reading used is {_format(age)} old, at most {_format(self.stale_after)} is declared"


def freshness_of(artifact: Artifact, settings: Settings) -> Freshness:
    """Return the freshness declared by the settings, or else by the telemetry's contract and the model's horizon.

    A prediction is valid for a quarter of the model's shortest horizon: by then a quarter of the time predicted has
    passed. Without a horizon it is valid for a day.
    """
    if settings.stale_after:
        limit = None if settings.stale_after == NEVER else parse_duration(settings.stale_after)
    else:
        contract = contract_of(artifact.recipe.asset_type)
        limit = contract.max_age if contract else None
    if settings.valid_for:
        valid_for = parse_duration(settings.valid_for)
    elif artifact.horizons:
        valid_for = artifact.horizons[0] / _SHARE_OF_HORIZON
    else:
        valid_for = pd.Timedelta(days=1)
    return Freshness(None if limit is None else width(limit), width(valid_for))


@lru_cache(maxsize=16)
def contract_of(asset_type: str) -> Contract | None:
    """Return the contract of an asset type's telemetry; None for a user's own type, which only the model describes."""
    try:
        return telemetry_contract(asset_type)
    except NotFoundError:
        return None


def _format(age: int) -> str:
    for unit, microseconds, most in (("s", _SECOND, 90), ("min", 60 * _SECOND, 90), ("h", 3600 * _SECOND, 72)):
        if age < most * microseconds:
            return f"{age / microseconds:.3g} {unit}"
    return f"{age / (24 * 3600 * _SECOND):.3g} days"


def reason_kind(reason: str) -> str:
    """Return the kind of a reason for abstaining in one word, as a metric's label: reasons are many, kinds few.

    Examples
    --------
    >>> reason_kind("unknown asset 'azure-1'. Did you mean 'azure-01'?")
    'unknown_asset'
    """
    return next((kind for words, kind in _KINDS.items() if words in reason), "other")
