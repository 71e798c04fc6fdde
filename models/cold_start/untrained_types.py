"""Assets of a type that no model is for: how far their type is, in place of "of another type"."""

import threading
from collections.abc import Mapping

import pandas as pd

from data_contracts.contract.registered import recorded_type
from data_contracts.errors import ForewarnError
from data_contracts.workspace import Workspace
from models.artifact.reasons import Reason
from models.cold_start.readiness import type_readiness
from models.cold_start.type_models import type_models
from models.registry.registry import Registry

_KEPT_FOR = pd.Timedelta(minutes=5)


class UntrainedTypes:
    """Say of asset types that they have no champion, and when one can be trained; looked up every five minutes."""

    def __init__(self, workspace: Workspace, *, with_registry: bool = True) -> None:
        self._workspace = workspace
        self._with_registry = with_registry
        self._lock = threading.Lock()
        self._modelled: tuple[pd.Timestamp, frozenset[str]] | None = None
        self._reasons: dict[str, tuple[pd.Timestamp, Reason]] = {}

    def reasons(self, excluded: Mapping[str, Reason], types: Mapping[str, str], now: pd.Timestamp) -> dict[str, Reason]:
        """Return the reasons of excluded assets, with another one for those whose type has no model."""
        foreign = {asset: types[asset] for asset, reason in excluded.items() if reason.code == "asset_type"}
        if not foreign or not self._with_registry:
            return dict(excluded)
        with self._lock:
            try:
                untrained = set(foreign.values()) - self._with_model(now)
                words = {asset_type: self._reason(asset_type, now) for asset_type in untrained}
            except ForewarnError:
                return dict(excluded)  # what a store out of reach cannot say is no reason to refuse the request
        return {**excluded, **{asset: words[own] for asset, own in foreign.items() if own in words}}

    def _with_model(self, now: pd.Timestamp) -> frozenset[str]:
        if self._modelled is None or now - self._modelled[0] > _KEPT_FOR:
            contracts = self._workspace.contracts
            models = type_models(Registry(self._workspace))
            self._modelled = now, frozenset(recorded_type(contracts, model.asset_type) for model in models)
        return self._modelled[1]

    def _reason(self, asset_type: str, now: pd.Timestamp) -> Reason:
        kept = self._reasons.get(asset_type)
        if kept is None or now - kept[0] > _KEPT_FOR:
            words = type_readiness(self._workspace, asset_type, now=now).words
            kept = self._reasons[asset_type] = now, Reason("no_model", words)
        return kept[1]
