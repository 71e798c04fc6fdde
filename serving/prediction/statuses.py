"""How old what an answer goes by may be, how long an answer holds, and in which words it is told."""

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
"""The setting by which no telemetry is ever too old."""
_SHARE_OF_HORIZON = 4
_SECOND = 1_000_000
_KINDS = {
    "broke its contract": "contract",
    "no features are stored": "no_features",
    "unknown asset": "unknown_asset",
    "the asset is of the type": "asset_type",
    "no telemetry": "no_telemetry",
    "samples are missing": "gaps",
    "operating regime": "operating_regime",
    "beyond computing": "not_finite",
}


@dataclass(frozen=True)
class Freshness:
    """Say what is fresh and what holds, in microseconds.

    Parameters
    ----------
    stale_after
        From what age on the latest reading used makes an answer stale; None for any age.
    valid_for
        How long after its cut-off an answer holds.
    """

    stale_after: int | None
    valid_for: int

    def why_stale(self, age: int) -> str | None:
        """Say why telemetry is too old.

        Parameters
        ----------
        age
            Of the latest reading used.

        Returns
        -------
        str or None
            None if it is not.
        """
        if self.stale_after is None or age <= self.stale_after:
            return None
        return f"the latest reading used is {_words(age)} old, at most {_words(self.stale_after)} is declared"


def freshness_of(artifact: Artifact, settings: Settings) -> Freshness:
    """Find out what is declared of a model's telemetry and answers.

    What makes an answer stale is the setting, or else the freshness that the contract of the telemetry promises. An
    answer holds for as long as the setting says, or else for a quarter of the model's shortest horizon: by then a
    quarter of what was looked at has passed. A model without a horizon is asked anew after a day.

    Parameters
    ----------
    artifact
        The model.
    settings
        The endpoint's settings.

    Returns
    -------
    Freshness
    """
    if settings.stale_after:
        limit = None if settings.stale_after == NEVER else parse_duration(settings.stale_after)
    else:
        contract = contract_of(artifact.recipe.asset_type)
        limit = contract.max_age if contract else None
    if settings.valid_for:
        holds = parse_duration(settings.valid_for)
    elif artifact.horizons:
        holds = artifact.horizons[0] / _SHARE_OF_HORIZON
    else:
        holds = pd.Timedelta(days=1)
    return Freshness(None if limit is None else width(limit), width(holds))


@lru_cache(maxsize=16)
def contract_of(asset_type: str) -> Contract | None:
    """Find the contract of an asset type's telemetry.

    Parameters
    ----------
    asset_type
        The asset type.

    Returns
    -------
    Contract or None
        None for an asset type of the user's own: then only the model says what it reads.
    """
    try:
        return telemetry_contract(asset_type)
    except NotFoundError:
        return None


def _words(age: int) -> str:
    for unit, microseconds, most in (("s", _SECOND, 90), ("min", 60 * _SECOND, 90), ("h", 3600 * _SECOND, 72)):
        if age < most * microseconds:
            return f"{age / microseconds:.3g} {unit}"
    return f"{age / (24 * 3600 * _SECOND):.3g} days"


def kind_of(reason: str) -> str:
    """Tell what kind of reason it is, in one word: there are as many reasons as assets, and few kinds.

    Parameters
    ----------
    reason
        Why nothing was said of an asset.

    Returns
    -------
    str

    Examples
    --------
    >>> kind_of("unknown asset 'azure-1'. Did you mean 'azure-01'?")
    'unknown_asset'
    """
    return next((kind for words, kind in _KINDS.items() if words in reason), "other")
