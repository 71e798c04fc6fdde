"""What the alarms of a replay are judged by, as known at a time."""

from dataclasses import dataclass

import pandas as pd

from models.outcomes.outcomes import Outcomes, Terms, outcomes
from models.outcomes.stratum_counts import Membership


@dataclass(frozen=True)
class OutcomeSources:
    """Failures, work orders and terms, as known at a time; nothing in them became known later."""

    at: pd.Timestamp
    failures: pd.DataFrame  # those booked, or the crossings of a condition by its readings known then
    work_orders: pd.DataFrame
    terms: Terms
    observation_gaps: pd.DataFrame | None = None  # times in which assets were retired or lost
    membership: Membership | None = None  # the strata by which promises are divided; None for none

    def outcomes(self, predictions: pd.DataFrame) -> Outcomes:
        """Return the outcomes of predictions (asset, as_of, alert)."""
        return outcomes(
            predictions,
            self.failures,
            self.work_orders,
            now=self.at,
            terms=self.terms,
            observation_gaps=self.observation_gaps,
        )
