"""What each calculator costs: the table by which columns are chosen under a budget of time.

    python -m benchmarks.calculator_costs [--write] [--rounds 15]

Measures, for series of several lengths, as the endpoint computes them (one series at a time, one thread), the
costliest feature of each calculator of the comprehensive preset alone, and what each further feature adds. Each figure
is the least of some rounds: what else the machine does only adds. Then it prints how well the table foretells sets of
features that it was not made from. `--write` replaces features/calculators/costs.json.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.telemetry_like import windows
from features.calculators import costs
from features.calculators.costs import CalculatorCost, CostTable, series_cost
from features.calculators.plan import plan_for
from features.calculators.presets import preset_features
from features.names import parse_feature

SAMPLES = (16, 64, 256, 1024, 4096)
TABLE = Path(costs.__file__).with_name("costs.json")
_CHEAPEST = "length"
_LEAST_NS = 20.0  # less cannot be told from the call itself


def nanoseconds(features: Sequence[str], samples: int, rounds: int) -> float:
    """Return the least time of some features of one series."""
    series = windows(1, 1, samples, seed=11)[0]
    plan = plan_for(tuple(features), samples)
    plan.run(series)
    best = float("inf")
    for _ in range(rounds):
        begin = time.perf_counter_ns()
        plan.run(series)
        best = min(best, time.perf_counter_ns() - begin)
        if best > 20e6:
            break
    return best


def measure(rounds: int) -> CostTable:
    """Measure every calculator of the comprehensive preset."""
    by_calculator: dict[str, list[str]] = {}
    for feature in preset_features("comprehensive"):
        by_calculator.setdefault(parse_feature(feature)[0], []).append(feature)
    series = [nanoseconds([_CHEAPEST], samples, rounds) for samples in SAMPLES]
    calculators = {}
    for calculator, features in track(by_calculator.items(), "calculators", console=Console(stderr=True)):
        first, further = [], []
        for samples, call in zip(SAMPLES, series, strict=True):
            alone = max(nanoseconds([feature], samples, rounds) for feature in (features[0], features[-1]))
            together = nanoseconds(features, samples, rounds) if len(features) > 1 else alone
            first.append(max(alone - call, _LEAST_NS))
            further.append(max((together - alone) / max(len(features) - 1, 1), _LEAST_NS))
        calculators[calculator] = CalculatorCost(tuple(map(round, first)), tuple(map(round, further)))
    return CostTable(SAMPLES, tuple(map(round, series)), calculators)


def foretold(table: CostTable, rounds: int) -> Table:
    """Compare the table's estimates with measured sets: whole presets and draws of twenty features."""
    shown = Table("features", "samples", "estimated us", "measured us", "ratio", box=None)
    efficient, rng = preset_features("efficient"), np.random.default_rng(3)
    sets = {"minimal": preset_features("minimal"), "efficient": efficient}
    sets |= {f"20 at random ({n})": tuple(rng.choice(efficient, 20, replace=False)) for n in range(3)}
    for name, features in sets.items():
        for samples in (50, 600):
            estimated, measured = (
                1e6 * series_cost(features, samples, table),
                nanoseconds(features, samples, rounds) / 1e3,
            )
            shown.add_row(name, str(samples), f"{estimated:,.0f}", f"{measured:,.0f}", f"{estimated / measured:.2f}")
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    table = measure(options.rounds)
    if options.write:
        rows = [
            f"    {json.dumps(name)}: {json.dumps({'first': cost.first, 'further': cost.further})}"
            for name, cost in table.calculators.items()
        ]
        head = f'  "samples": {json.dumps(table.samples)},\n  "series": {json.dumps(table.series)},\n'
        TABLE.write_text("{\n" + head + '  "calculators": {\n' + ",\n".join(rows) + "\n  }\n}\n", encoding="utf-8")
    Console(width=100).print(foretold(table, options.rounds))


if __name__ == "__main__":
    main()
