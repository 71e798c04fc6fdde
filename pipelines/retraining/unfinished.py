"""Retrainings that are to end with a refit: written down before the promotion, so that they can be gone on with."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.records.records import Decision, Promotion, add_decision, decisions, promotions
from models.registry.intentions import add_intention, read_intention
from models.registry.ledger import refit_in
from models.registry.promotion import Records
from models.registry.registry import Registry
from pipelines.evidence.alpha_ledger import ALPHA_LEFT, COMPARED
from pipelines.retraining.refit import DIFFERS, FAILED

PENDING, DROPPED = "refit pending", "refit dropped"
"""The decisions that a version is to be promoted and refitted, and that this will not happen any more."""


@dataclass(frozen=True)
class Unfinished:
    """A promotion that was to be followed by a refit, and has not been."""

    promotion: Promotion
    reasons: tuple[str, ...]  # for the promotion
    promoted: bool  # whether the version is the champion already
    decided: bool  # whether the decision of its promotion is stored

    @property
    def retraining(self) -> bool:
        """Return whether a retraining led to it, and not a person."""
        return ALPHA_LEFT in self.promotion.evidence


def write_down(records: Records, promotion: Promotion, reasons: list[str]) -> None:
    """Store, before a version is promoted, that it is to be promoted and then refitted."""
    add_intention(records, PENDING, promotion, reasons, {})


def find_unfinished(registry: Registry, records: Records, name: str, *, now: pd.Timestamp) -> Unfinished | None:
    """Return the last promotion that was to be followed by a refit, if it was cut off; the ledger is complete.

    If another version has become the champion in the meantime, that is stored, and there is nothing to go on with.
    """
    stored = decisions(records, model_name=name)
    pending = stored[stored["decision"] == PENDING].tail(1)
    if pending.empty:
        return None
    row = pending.iloc[0]
    promotion, later = read_intention(row["evidence"]), stored[stored["id"] > row["id"]]
    ledger = promotions(records, model_name=name)
    ledger = ledger[ledger["at"] >= promotion.at.floor("us")]
    if _is_finished(promotion, later, ledger):
        return None
    champion = registry.champion(name)
    in_ledger = bool((ledger["to_version"] == promotion.to_version).any())
    if champion != promotion.to_version and (in_ledger or champion != promotion.from_version):
        reason = f"Version {promotion.to_version} was to be refitted, but version {champion} is the champion by now."
        add_decision(records, Decision(now, name, promotion.to_version, DROPPED, [reason], {}))
        return None
    own = later["model_version"] == promotion.to_version
    decided = bool((own & later["decision"].isin(COMPARED)).any())
    return Unfinished(promotion, tuple(row["reasons"]), champion == promotion.to_version, decided)


def _is_finished(promotion: Promotion, later: Any, ledger: Any) -> bool:
    """Return whether a refit is the champion, was found to differ or dropped, or another challenger was compared."""
    others = later["decision"].isin(COMPARED) & (later["model_version"] != promotion.to_version)
    ended = later["decision"].isin([DIFFERS, FAILED, DROPPED])
    refitted = any(refit_in(evidence) == promotion.to_version for evidence in ledger["evidence"])
    return bool(others.any() or ended.any() or refitted)
