"""What failures, visits and missing parts cost, in one currency, and the table of counts that they apply to."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError
from models.planning.worklist_costs import Costs

Vector = npt.NDArray[np.float64]
MISSED, FALSE_ALARMS = "missed", "false_alarms"
FAILURES, MODELLED, OPEN = "failures", "modelled", "open"
PREVENTED, VISITS, IN_VAIN, UNKNOWN, SHORT = "prevented", "visits", "in_vain", "unknown", "short"
COUNTS = (MISSED, FALSE_ALARMS, FAILURES, MODELLED, OPEN, PREVENTED, VISITS, IN_VAIN, UNKNOWN, SHORT)
"""What is counted of each asset, in order: failures that no alarm announced in time; alarm episodes that nothing
followed; failures that happen for certain; failures expected, by the model's own probabilities, of defects whose repair
has no counterfactual; how many such defects there are; visits that prevent a failure; visits in all; those that find
nothing; those of which the record cannot say; parts that were missing."""


@dataclass(frozen=True)
class EventCosts:
    """Costs of one event each; `of_asset` is that of the worklist."""

    of_asset: Costs
    in_vain: float  # of a visit that finds nothing
    planned_hours: float = 0.0  # how long an asset stands for a planned repair
    shortage: float = 0.0  # of a part that is missing when it is needed
    keeping: float = 0.0  # of one part in stock for the time counted

    def __post_init__(self) -> None:
        for name in ("in_vain", "planned_hours", "shortage", "keeping"):
            value = getattr(self, name)
            if not 0 <= value < np.inf:
                raise UsageError(f"{name} of {value}", "a finite number, 0 or more", "Fix the costs")

    @property
    def weights(self) -> dict[str, float]:
        """Return what one of each kind costs, where it costs anything."""
        failure = self.of_asset.of_failure
        return {
            FAILURES: failure,
            MODELLED: failure,
            PREVENTED: self.of_asset.of_repair(self.planned_hours),
            IN_VAIN: self.in_vain,
            SHORT: self.shortage,
        }


def cost_of(counts: pd.DataFrame, costs: EventCosts) -> Vector:
    """Return the cost of each row of counts, shape (n_rows,)."""
    return np.asarray(sum(counts[name] * each for name, each in costs.weights.items()), dtype=np.float64)


def downtime_of(counts: pd.DataFrame, costs: EventCosts) -> Vector:
    """Return the hours that assets stand, row by row, shape (n_rows,)."""
    failed = (counts[FAILURES] + counts[MODELLED]) * costs.of_asset.unplanned_hours
    return np.asarray(failed + counts[PREVENTED] * costs.planned_hours, dtype=np.float64)


def no_counts(assets: "pd.Index[str]") -> pd.DataFrame:
    """Return a table of zeros, one row an asset."""
    return pd.DataFrame(0.0, index=assets, columns=list(COUNTS))
