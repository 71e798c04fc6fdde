"""Columns within a budget of time: the most important for what they cost."""

from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

from data_contracts.errors import UsageError
from features.recipe.column_cost import ColumnCost, kind_and_feature

_LEAST: Final = 1e-12  # seconds; what is looked up costs nothing


def within_budget(
    importance: "pd.Series[float]", cost: ColumnCost, budget: float, required: Sequence[str] = (), most: int = 0
) -> tuple[str, ...]:
    """Choose columns of positive importance whose cost, with that of the required ones, is within a budget in seconds.

    Greedy: the column that has the most importance for each second that it adds, then the next; a column that does not
    fit is passed over. What a column adds is what it costs beside those chosen before: a calculator's first feature
    costs more than its others. If the single most important column that fits outweighs all of these, it alone is taken,
    without which a greedy choice can be arbitrarily bad. At most `most` columns, if that is not 0.

    References
    ----------
    Khuller, Moss & Naor, "The budgeted maximum coverage problem", Information Processing Letters 70 (1999), section 2,
    doi:10.1016/S0020-0190(99)00031-9. Xu, Kusner, Weinberger & Chen, "Cost-sensitive tree of classifiers", ICML 2013
    (features cost time, and share it).

    Examples
    --------
    >>> cost = ColumnCost({"volt": 100})
    >>> importance = pd.Series({"volt__mean": 0.2, "volt__sample_entropy": 0.25, "volt__maximum": 0.1})
    >>> within_budget(importance, cost, cost.seconds(["volt__mean", "volt__maximum"]))
    ('volt__mean', 'volt__maximum')
    """
    helpful = importance[importance > 0]
    chosen: dict[str, list[str]] = {}
    for column in required:
        chosen.setdefault(kind_and_feature(column)[0], []).append(column)
    taken: list[str] = []
    left, open_columns = budget - cost.seconds(required), list(map(str, helpful.index))
    while open_columns and not (most and len(taken) >= most):
        added = {column: _added(column, chosen, cost) for column in open_columns}
        open_columns = [column for column in open_columns if added[column] <= left]
        if open_columns:
            best = max(open_columns, key=lambda column: helpful[column] / max(added[column], _LEAST))
            chosen.setdefault(kind_and_feature(best)[0], []).append(best)
            left -= added[best]
            taken.append(best)
            open_columns.remove(best)
    alone = [column for column in map(str, helpful.index) if cost.seconds([*required, column]) <= budget]
    single = max(alone, key=lambda column: float(helpful[column]), default=None)
    if single is not None and helpful[single] > helpful[taken].sum():
        return (single,)
    return tuple(column for column in map(str, helpful.index) if column in taken)


def affordable(columns: Sequence[str], cost: ColumnCost, budget: pd.Timedelta, required: Sequence[str]) -> list[str]:
    """Return the columns that a budget buys one of beside the required ones; `UsageError` if it buys none."""
    with_required = {column: cost.seconds([*required, column]) for column in columns}
    bought = [column for column in columns if with_required[column] <= budget.total_seconds()]
    if not bought:
        least, stays = 1000 * min(with_required.values()), cost.seconds(required) > 0
        always = " beside those of features.always" if stays else ""
        raise UsageError(
            f"features.budget is {1000 * budget.total_seconds():.3g} ms",
            f"at least {least:.3g} ms, which the cheapest column costs{always}",
            "Raise the budget" + (", or name fewer features in features.always" if stays else ""),
        )
    return bought


def _added(column: str, chosen: Mapping[str, Sequence[str]], cost: ColumnCost) -> float:
    """Return what a column costs beside those chosen of its series."""
    beside = chosen.get(kind_and_feature(column)[0], ())
    return cost.seconds([*beside, column]) - cost.seconds(beside)
