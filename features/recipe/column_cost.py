"""What columns cost at the endpoint: an estimate for one asset at one cut-off."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from features.calculators.costs import CostTable, cost_table, series_cost
from features.names import format_kind, parse_name


@dataclass(frozen=True)
class ColumnCost:
    """The cost of a recipe's columns, given how long their series are.

    Columns about events, work, ages and regimes are looked up rather than computed, and cost nothing here.
    """

    samples: Mapping[str, int]  # readings of each kind (a channel, or a channel in a window)
    table: CostTable = field(default_factory=cost_table, repr=False)

    def seconds(self, columns: Iterable[str]) -> float:
        """Estimate the processor time of columns of one asset at one cut-off, on one thread.

        Examples
        --------
        >>> cost = ColumnCost({"volt": 100})
        >>> cost.seconds(["volt__mean"]) < cost.seconds(["volt__mean", "volt__sample_entropy"])
        True
        >>> cost.seconds(["asset__age"])
        0.0
        """
        by_kind: dict[str, list[str]] = {}
        for column in columns:
            kind, feature = kind_and_feature(column)
            if kind in self.samples:
                by_kind.setdefault(kind, []).append(feature)
        return sum((series_cost(features, self.samples[kind], self.table) for kind, features in by_kind.items()), 0.0)


@lru_cache(maxsize=100_000)
def kind_and_feature(column: str) -> tuple[str, str]:
    """Split a column's name into its series and its feature.

    >>> kind_and_feature("volt@50h__quantile__q_0.1")
    ('volt@50h', 'quantile__q_0.1')
    """
    name = parse_name(column)
    return format_kind(name.kind, name.window), name.feature
