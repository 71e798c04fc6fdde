"""What each calculator costs: the table by which columns are chosen under a budget of time.

    python -m benchmarks.calculator_costs [--write] [--rounds 15]

Measures, for series of several lengths, one at a time on one thread, the costliest feature of each calculator of the
comprehensive preset alone, and what each further feature adds; and by extractions at one cut-off, as the endpoint makes
them, what a further channel adds, whatever is computed of it. Each figure is the least of some rounds: what else the
machine does only adds. Then it prints how well the table foretells extractions that it was not made from, less what the
first column takes. `--write` replaces features/calculators/costs.json.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.telemetry_like import windows
from data_contracts.tables.history import History
from features.calculators import costs
from features.calculators.costs import CalculatorCost, CostTable
from features.calculators.plan import plan_for
from features.calculators.presets import preset_features
from features.extraction.extract import extract
from features.names import parse_feature
from features.recipe.column_cost import ColumnCost
from features.recipe.feature_set import FeatureSet
from features.recipe.recipe import Recipe

SAMPLES = (16, 64, 256, 1024, 4096)
TABLE = Path(costs.__file__).with_name("costs.json")
_CHEAPEST = "length"
# Less is lost in the clock: a calculator is a call from Python, its further features are not.
_LEAST_CALL_NS, _LEAST_NS = 1000.0, 20.0
_HOUR, _START = pd.Timedelta("1h"), pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
# Features of their own, so that no two channels are computed together.
_CHEAP = ("mean", "maximum", "minimum", "median", "variance", "sum_values", "skewness", "kurtosis", "mean_change")
_CHANNELS = tuple(f"c{number}" for number in range(len(_CHEAP)))


def nanoseconds(sets: Sequence[Sequence[str]], samples: int, rounds: int) -> list[float]:
    """Return the least time of each set of features of one series, computed in turn as a model's columns are.

    In turn, since a calculator that was the last to run finds everything in the processor's cache.
    """
    series = windows(1, 1, samples, seed=11)[0]
    plans = [plan_for(tuple(features), samples) for features in sets]
    best = [float("inf")] * len(plans)
    for number in range(rounds + 1):
        for place, plan in enumerate(plans):
            begin = time.perf_counter_ns()
            plan.run(series)
            if number:  # the first one loads code
                best[place] = min(best[place], time.perf_counter_ns() - begin)
    return best


def measure(rounds: int) -> CostTable:
    """Measure every calculator of the comprehensive preset."""
    by_calculator: dict[str, list[str]] = {}
    for feature in preset_features("comprehensive"):
        by_calculator.setdefault(parse_feature(feature)[0], []).append(feature)
    sets = [own for features in by_calculator.values() for own in (features[:1], features[-1:], features)]
    times = {name: CalculatorCost((), ()) for name in by_calculator}
    for samples in track(SAMPLES, "lengths", console=Console(stderr=True)):
        call, *measured = nanoseconds([[_CHEAPEST], *sets], samples, rounds)
        for place, (name, features) in enumerate(by_calculator.items()):
            first, last, together = measured[3 * place : 3 * place + 3]
            alone, before = max(first, last), times[name]
            further = (together - alone) / max(len(features) - 1, 1)
            times[name] = CalculatorCost(
                (*before.first, round(max(alone - call, _LEAST_CALL_NS))),
                (*before.further, round(max(further, _LEAST_NS))),
            )
    alone_table = CostTable(SAMPLES, (0.0,) * len(SAMPLES), times)
    return replace(alone_table, series=tuple(round(further_channel(alone_table, n, rounds)) for n in SAMPLES))


def further_channel(table: CostTable, samples: int, rounds: int) -> float:
    """Return the nanoseconds that a further channel adds to an extraction, less those of its calculator."""
    columns = [f"{channel}__{feature}" for channel, feature in zip(_CHANNELS, _CHEAP, strict=True)]
    one, all_of_them = extractions([columns[:1], columns], samples, rounds)
    own = sum(table.of_calculator(feature, 1, samples) for feature in _CHEAP[1:])
    return max((all_of_them - one - own) / (len(columns) - 1), _LEAST_NS)


def extractions(sets: Sequence[Sequence[str]], samples: int, rounds: int) -> list[float]:
    """Return the least nanoseconds of an extraction of each set of columns at one cut-off, made in turn."""
    history = one_asset(samples)
    recipes = [
        Recipe(
            "press",
            _CHANNELS,
            (samples * _HOUR,),
            FeatureSet(tuple({column.partition("__")[2]: None for column in columns})),
        ).reduce(columns)
        for columns in sets
    ]
    cut_off = pd.DataFrame({"asset": ["press-1"], "as_of": [_START + samples * _HOUR]})
    best = [float("inf")] * len(recipes)
    for _ in range(20 * rounds):
        for place, recipe in enumerate(recipes):
            begin = time.perf_counter_ns()
            extract(history, cut_off, recipe, threads=1)
            best[place] = min(best[place], time.perf_counter_ns() - begin)
    return best


def one_asset(samples: int) -> History:
    """Return a history of one machine with a reading an hour."""
    values = pd.DataFrame(windows(1, len(_CHANNELS), samples, seed=7)[0].T, columns=list(_CHANNELS))
    times = _START + np.arange(1, samples + 1) * _HOUR
    telemetry = values.assign(asset="press-1", event_time=times, known_time=times, source="physical")
    known = pd.DataFrame({"asset": ["press-1"], "event_time": [_START], "known_time": [_START]})
    nothing = known.iloc[:0]
    return History(
        asset_type="press",
        channels=_CHANNELS,
        telemetry=telemetry,
        assets=known.assign(asset_type="press", model="m", plant="p", line="l"),
        failures=nothing.assign(failure_id="", mode=""),
        work_orders=nothing.assign(work_order_id="", kind="", component="", finding="", prompted_by=""),
        events=nothing.assign(event_id="", code=""),
        versions={},
    )


def foretold(table: CostTable, rounds: int) -> Table:
    """Compare the table's estimates with extractions of columns drawn from all channels."""
    shown = Table("columns", "samples", "estimated us", "measured us", "ratio", box=None)
    rng = np.random.default_rng(3)
    every = [f"{channel}__{feature}" for channel in _CHANNELS for feature in preset_features("efficient")]
    for n_columns in (5, 20, 80, 400):
        for samples in (50, 600):
            columns = [str(column) for column in rng.choice(every, n_columns, replace=False)]
            estimated = (ColumnCost(dict.fromkeys(_CHANNELS, samples), table).seconds(columns)) * 1e6
            first, whole = extractions([[f"{_CHANNELS[0]}__{_CHEAPEST}"], columns], samples, rounds)
            measured = (whole - first) / 1e3
            row = (str(n_columns), str(samples), f"{estimated:,.0f}", f"{measured:,.0f}", f"{estimated / measured:.2f}")
            shown.add_row(*row)
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
