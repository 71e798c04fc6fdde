"""Promotions that are written down before they happen, so that one that was cut off can be gone on with.

An intention is a decision whose evidence holds, under ``intended``, the row of the ledger that is to be. If the alias
has moved and the ledger lacks the row, that row is written; what else was cut off, whoever wrote it down goes on with.
"""

from dataclasses import asdict
from typing import Any

import pandas as pd

from data_contracts.records.records import Decision, Promotion, add_decision, decisions

INTENDED = "intended"
"""The key of the evidence under which a decision holds the promotion that it is to lead to."""


def add_intention(
    records: Any, decision: str, promotion: Promotion, reasons: list[str], evidence: dict[str, Any]
) -> None:
    """Store a decision with the promotion that it is to lead to."""
    intended = asdict(promotion) | {"at": promotion.at.isoformat()}
    name, version = promotion.model_name, promotion.to_version
    add_decision(records, Decision(promotion.at, name, version, decision, reasons, {**evidence, INTENDED: intended}))


def read_intention(evidence: dict[str, Any]) -> Promotion:
    """Return the promotion that a decision is to lead to."""
    stored = evidence[INTENDED]
    return Promotion(**{**stored, "at": pd.Timestamp(stored["at"])})


def intended_promotion(records: Any, name: str, *, from_version: int | None, to_version: int) -> Promotion | None:
    """Return the last promotion of a version that was written down before it happened; None if none was."""
    for evidence in reversed(list(decisions(records, model_name=name)["evidence"])):
        if INTENDED in evidence:
            promotion = read_intention(evidence)
            if (promotion.from_version, promotion.to_version) == (from_version, to_version):
                return promotion
    return None
