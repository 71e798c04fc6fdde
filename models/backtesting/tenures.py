"""The champions of a replay in succession, each held to the promise that the registry would hold it to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from models.backtesting.replay_models import Version
from models.monitoring.drift import Budget
from models.monitoring.looks import Look
from models.monitoring.provisional import settled, settlements
from models.promises.chain import BindingPromise
from models.promises.limits import Certainty
from models.promises.reference_rates import ReferenceRates, only_rates
from models.promises.succession import ChampionEvidence, binding_promise


@dataclass(frozen=True)
class ChampionTenure:
    """A version's time as champion, which ends when the next begins."""

    since: pd.Timestamp
    version: Version
    evidence: ChampionEvidence
    promise: BindingPromise  # what it is held to


def begin_tenure(
    past: Sequence[ChampionTenure],
    version: Version,
    at: pd.Timestamp,
    certainty: Certainty,
    comparison: Mapping[str, Any] | None = None,
) -> ChampionTenure:
    """Return the tenure of a new champion after those before it; `comparison` are the figures that promoted it."""
    evidence = ChampionEvidence(len(past) + 1, version.promised, comparison, alarms_declared=version.alarms_declared)
    promise = binding_promise([*(tenure.evidence for tenure in past), evidence], certainty)
    return ChampionTenure(at, version, evidence, promise)


def settle_promise(tenure: ChampionTenure, looks: Sequence[Look], budget: Budget) -> ChampionTenure:
    """Record what a champion's own outcomes have made of a provisional promise; its successors are held to it too."""
    promise = tenure.promise.rates
    tighter = settlements(promise, looks, budget.certainty, budget.promise_events, budget.strata)
    if not tighter:
        return tenure
    rates: ReferenceRates = only_rates(settled(promise, tighter), list(tighter))
    return replace(tenure, evidence=replace(tenure.evidence, settled=rates))
