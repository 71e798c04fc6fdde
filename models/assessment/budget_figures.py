"""What an alarm budget's inspections found on the test, and what as many at random would have found."""

import math
from collections.abc import Mapping

import pandas as pd

from models.experiment.alarm_budget import AlarmBudget
from models.outcomes.episodes import Terms, number_alerts


def budget_metrics(
    predictions: pd.DataFrame, metrics: Mapping[str, float], *, budget: AlarmBudget, terms: Terms
) -> dict[str, float]:
    """Compute alarms, alarms_allowed and failures_caught_at_random of the test predictions (asset, as_of, alert).

    An inspection of a random asset at a random time announces a failure if it falls into the horizon before it; as many
    as the model's alarms, or as the budget allows if these are more, are drawn independently.
    """
    if predictions.empty:
        return {}
    alarms = int(number_alerts(predictions, terms)["episode"].max()) if predictions["alert"].any() else 0
    span = predictions["as_of"].max() - predictions["as_of"].min()
    allowed = budget.within(pd.Timedelta(span))
    own = predictions.groupby("asset")["as_of"]
    watched = pd.Timedelta((own.max() - own.min()).sum()) + terms.horizon
    hit = min(1.0, float(terms.horizon / watched))
    found = metrics.get("failures_total", math.nan) * (1.0 - (1.0 - hit) ** max(float(alarms), allowed))
    return {"alarms": float(alarms), "alarms_allowed": allowed, "failures_caught_at_random": found}
