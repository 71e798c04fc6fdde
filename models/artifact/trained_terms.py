"""What an artifact's file does not hold and the experiment that trained it says."""

from dataclasses import dataclass

import pandas as pd

from models.labels.breakdowns import NO_TIME
from models.labels.condition import PredictedCondition


@dataclass(frozen=True)
class TrainedTerms:
    """Terms of the experiment that trained a version; no part of its digest or of what is saved."""

    down_after_failure: pd.Timedelta = NO_TIME  # for artifacts written before they kept it
    condition: PredictedCondition | None = None  # likewise
    alarm_gap: pd.Timedelta | None = None  # alerts no further apart are one alarm; None where that is not known
    # What errors cost by the experiment, whose defaults these are, in any one currency.
    missed_failure_cost: float = 10.0
    false_alarm_cost: float = 1.0


UNKNOWN_TERMS = TrainedTerms()
