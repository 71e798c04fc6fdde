"""What features cost: processor time of one series, estimated from a table of measured calculators."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

_TABLE: Final = "costs.json"


@dataclass(frozen=True)
class CalculatorCost:
    """Nanoseconds of a calculator, for each length of a series in the table."""

    first: tuple[float, ...]  # its costliest feature alone
    further: tuple[float, ...]  # each feature more, in the same call


@dataclass(frozen=True)
class CostTable:
    """Measured processor time by calculator and length of the series.

    The lengths grow; between two of them time is taken to grow by a power of the length, beyond the last by that of the
    last two.
    """

    samples: tuple[int, ...]
    series: tuple[float, ...]  # nanoseconds of a series, whatever is computed
    calculators: Mapping[str, CalculatorCost]

    def of_calculator(self, calculator: str, n_features: int, samples: int) -> float:
        """Return the nanoseconds of features of a calculator; one that is not measured is as slow as the slowest."""
        cost = self.calculators.get(calculator) or self._slowest
        first, further = (self._at(times, samples) for times in (cost.first, cost.further))
        return first + (n_features - 1) * further

    def of_series(self, samples: int) -> float:
        """Return the nanoseconds that any series costs."""
        return self._at(self.series, samples)

    @property
    def _slowest(self) -> CalculatorCost:
        return max(self.calculators.values(), key=lambda cost: cost.first[-1])

    def _at(self, times: Sequence[float], samples: int) -> float:
        after = next((place for place, n in enumerate(self.samples) if n >= samples), len(self.samples) - 1)
        low = max(after - 1, 0)
        if self.samples[after] == samples or low == after:
            return times[after]
        exponent = math.log(times[low + 1] / times[low]) / math.log(self.samples[low + 1] / self.samples[low])
        return times[low] * math.pow(samples / self.samples[low], exponent)


def series_cost(features: Sequence[str], samples: int, table: CostTable | None = None) -> float:
    """Estimate the processor time of some features, named without the kind, of one series; in seconds.

    Each calculator was measured alone, so those that share a stage, such as the sorted series, cost less together. The
    unit is the second of the machine on which the table was measured.

    Examples
    --------
    >>> series_cost(["mean"], 64) < series_cost(["mean", "sample_entropy"], 64) < series_cost(["sample_entropy"], 1024)
    True
    """
    if not features:
        return 0.0
    table = table or cost_table()
    counts: dict[str, int] = {}
    for feature in features:
        calculator = feature.partition("__")[0]
        counts[calculator] = counts.get(calculator, 0) + 1
    own = (table.of_calculator(calculator, n, samples) for calculator, n in counts.items())
    return (table.of_series(samples) + sum(own)) / 1e9


@lru_cache(maxsize=1)
def cost_table() -> CostTable:
    """Return the table that `benchmarks/calculator_costs.py` measured."""
    content = json.loads((files("features.calculators") / _TABLE).read_text(encoding="utf-8"))
    calculators = {
        name: CalculatorCost(tuple(each["first"]), tuple(each["further"]))
        for name, each in content["calculators"].items()
    }
    return CostTable(tuple(content["samples"]), tuple(content["series"]), calculators)
