"""The models of a replay: which there are, and what trains, applies and compares them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pandas as pd

from models.diagnosis.diagnosis import Diagnosis
from models.outcomes.error_rates import ErrorRates
from models.retraining.alpha_spending import AlphaWealth
from models.retraining.comparison_plan import ComparisonPlan


@dataclass(frozen=True)
class Version:
    """A model of the replay."""

    # When it was trained: nothing known later went into it; with the holdout it identifies the version.
    made_at: pd.Timestamp
    trained_until: pd.Timestamp  # its last training cut-off
    promised: ErrorRates | None  # the error rates of its evaluation
    # The last part of what was known then, which it was evaluated on.
    holdout: pd.Timedelta = field(default_factory=lambda: pd.Timedelta(0))
    refit: bool = False  # whether it was fitted once more after its evaluation, to the holdout too
    alarms_declared: float | None = None  # false alarms per asset-month, of a detector of anomalies


@dataclass(frozen=True)
class Compared:
    """The result of a comparison."""

    promoted: bool  # whether the challenger earned its promotion
    alpha_spent: float = 0.0
    # Both models' rates as `Comparison.to_dict` gives them; None without a comparison, or with nothing to compare on.
    figures: Mapping[str, Any] | None = None
    refit: Version | None = None  # the refit that takes the place of a promoted challenger; None without one


class ReplayModels(Protocol):
    """Trains, applies and compares models; each result depends on the arguments alone."""

    def train(self, at: pd.Timestamp, *, urgent: bool = False) -> Version:
        """Train a version on what was known at a time; with a short holdout where it is to answer a drift."""

    def predict(self, version: Version, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        """Return asset, as_of, alert for the cut-offs in (start, end]."""

    def diagnose(self, version: Version, at: pd.Timestamp) -> Diagnosis:
        """Diagnose the data, as known at a time, against what a version had learned from."""

    def plan(self, champion: Version, at: pd.Timestamp, wealth: AlphaWealth, *, urgent: bool) -> ComparisonPlan | None:
        """Plan the comparison of a challenger trained at a time; None if challengers are promoted without one."""

    def compare(self, champion: Version, challenger: Version, at: pd.Timestamp, alpha: float) -> Compared:
        """Compare a challenger with the champion at a level alpha, by what was known at a time."""
