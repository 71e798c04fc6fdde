"""Reading a comparison back from the JSON values that the ledger keeps."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from models.outcomes.error_rates import parse_rate
from models.retraining.comparison import Comparison
from models.retraining.holdout_scores import HoldoutScore
from models.retraining.promotion_rules import Check

_RATES = ("missed", "false_episodes", "decision_fn", "decision_fp")


def read_comparison(stored: Mapping[str, Any]) -> Comparison:
    """Read what `Comparison.to_dict` wrote; the differences asset by asset are not kept."""
    probability = stored["probability_cheaper"]
    return Comparison(
        start=pd.Timestamp(stored["start"]),
        end=pd.Timestamp(stored["end"]),
        events=stored["events"],
        champion=_score(stored["champion"]),
        challenger=_score(stored["challenger"]),
        winner=stored["winner"],
        reasons=tuple(stored["reasons"]),
        probability_cheaper=float("nan") if probability is None else probability,
        checks=tuple(Check(**check) for check in stored["checks"]),
    )


def _score(stored: Mapping[str, Any] | None) -> HoldoutScore | None:
    if stored is None:
        return None
    rates = {name: parse_rate(stored[name]) for name in _RATES}
    return HoldoutScore(version=stored["version"], cost=stored["cost"], **rates)
