"""Error rates over the training period, of models and thresholds that learned neither from the asset nor from later.

The predictions are out of fold: split by time, each is of a model that learned only from what came before. The
threshold of an asset's alerts is the one that the other assets' predictions would have led to. So none of these errors
chose anything, and they may stand beside an evaluation that would rest on a few failures alone.

References
----------
S. Bates, T. Hastie, R. Tibshirani, "Cross-validation: what does it estimate and how well does it do it?", JASA 119
(2024), 1434-1445, doi:10.1080/01621459.2023.2197686: it estimates the error of models fitted to as much data as in the
folds. These learn from less than the model that they stand for, and err rather more often.
"""

from collections.abc import Callable, Sequence

import pandas as pd

from data_contracts.tables.history import History
from models.labels.observation_gaps import unobserved_spans
from models.outcomes.error_rates import ErrorRates, error_rates
from models.outcomes.outcomes import Terms, outcomes


def cross_fitted_rates(
    predictions: pd.DataFrame,
    groups: Sequence[Sequence[str]],
    history: History,
    *,
    threshold: Callable[[pd.DataFrame], float],
    terms: Terms,
    known_until: pd.Timestamp,
) -> ErrorRates | None:
    """Return the error rates of out-of-fold predictions (asset, as_of, probability, state); None without any.

    `groups` of assets share a threshold, which `threshold` chooses on the predictions of all others. Outcomes count as
    known at `known_until`, and once the alarms have settled.
    """
    if predictions.empty:
        return None
    parts = []
    for assets in groups:
        inside = predictions["asset"].isin(list(assets))
        if inside.any() and not inside.all():
            parts.append(predictions[inside].assign(limit=threshold(predictions[~inside])))
    if not parts:
        return None
    judged = pd.concat(parts, ignore_index=True)
    judged = judged.assign(alert=judged["probability"] >= judged["limit"])
    known = history.as_of(known_until)
    matured = outcomes(
        judged[["asset", "as_of", "alert"]],
        known.failures,
        known.work_orders,
        now=known_until,
        terms=terms,
        observation_gaps=unobserved_spans(known, now=known_until),
    )
    settled = min(judged["as_of"].min() + terms.settling, matured.matured_until)
    return error_rates(matured, start=settled)
