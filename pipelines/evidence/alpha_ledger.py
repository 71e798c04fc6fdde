"""What comparisons of a model may spend, by the records of those before."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from data_contracts.records.records import decisions, promotions
from models.registry.promotion import Records
from models.retraining.alpha_spending import AlphaWealth, accrue, first_wealth, recorded_wealth
from models.retraining.promotion_rules import PromotionRules

ALPHA_LEFT = "alpha_left"
"""The key of the evidence under which a decision holds what its comparison left."""
COMPARED = ("promoted", "rejected")


def alpha_wealth(
    records: Records, model_name: str, *, trained_until: pd.Timestamp, now: pd.Timestamp, rules: PromotionRules
) -> AlphaWealth:
    """Return what has accrued by `now` since the last comparison, or since the first champion's training data end.

    `trained_until` is the champion's. A comparison from before alpha was recorded has left nothing but the reserve.
    """
    decided = decisions(records, model_name=model_name)
    decided = decided[decided["decision"].isin(COMPARED)]
    # A retraining that died after its promotion has left its comparison in the ledger only.
    promoted = promotions(records, model_name=model_name)
    promoted = promoted[[ALPHA_LEFT in evidence for evidence in promoted["evidence"]]]
    rows = [*decided[["at", "evidence"]].itertuples(index=False), *promoted[["at", "evidence"]].itertuples(index=False)]
    past = [_left(at, evidence, rules) for at, evidence in rows if at <= now]
    return accrue(max(past, key=lambda left: left.at, default=first_wealth(trained_until, rules)), now, rules)


def postponed_until(decided: pd.DataFrame) -> pd.Timestamp | None:
    """Return the time until which the last comparison was postponed; None if it was made, or waits for events.

    `decided` are the decisions on a model, the latest last.
    """
    last = decided[decided["decision"].isin([*COMPARED, "postponed"])].tail(1)
    until = [evidence.get("postponed_until") for evidence in last["evidence"]]
    return pd.Timestamp(until[0]) if until and until[0] else None


def _left(at: pd.Timestamp, evidence: Mapping[str, Any], rules: PromotionRules) -> AlphaWealth:
    left = evidence.get(ALPHA_LEFT)
    return first_wealth(at, rules) if left is None else recorded_wealth(left)
