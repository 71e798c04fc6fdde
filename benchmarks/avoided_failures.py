"""How often the intervals of `forewarn value` hold what acting truly avoided, on simulated fleets of several kinds."""

import argparse
import math

from rich.console import Console

from models.outcomes.rate_intervals import share
from models.planning.cost_settings import CostSettings
from models.value.ledger import value_ledger
from pipelines.fleet.histories.acted_alarms import ActedFleet, simulate_acted
from pipelines.fleet.histories.value_coverage import KINDS, coverage
from pipelines.value.tables import ledger_tables


def main() -> None:
    """Print a row for each kind of fleet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=100)
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--kind", choices=tuple(KINDS), action="append")
    parser.add_argument("--example", action="store_true", help="show the ledger of one fleet instead")
    options = parser.parse_args()
    if options.example:
        _show_example(options.seed)
        return
    print("| fleet | alarms | held back | avoided, true | bias | covered: failures | hours | rows | width | in all |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for kind in options.kind or KINDS:
        found = coverage(kind, options.histories, options.seed)
        totals, covered = found.totals, found.covered
        error = totals["failures_value"] - totals["failures_true"]
        seen = share(round(covered["failures"] * len(totals)), len(totals))
        print(
            f"| {kind} | {(totals['alarms'] + totals['held_back']).mean():.0f} | {totals['held_back'].mean():.1f} | "
            f"{totals['failures_true'].mean():.1f} | {error.mean():+.2f} ({error.std() / math.sqrt(len(error)):.2f}) | "
            f"{seen.value:.2f} ({seen.low:.2f} to {seen.high:.2f}) | {covered['hours']:.2f} | {covered['rows']:.3f} | "
            f"{100 * found.width:.0f} | {totals['in_all'].mean():.1f} |",
            flush=True,
        )


def _show_example(seed: int) -> None:
    simulated = simulate_acted(ActedFleet(machines=200, days=85, hold_back=0.15), 1, seed)
    ((known, truth),) = simulated.split()
    prices = CostSettings(currency="EUR", downtime_per_hour=12_000.0, planned_downtime_per_hour=3_000.0)
    Console().print(ledger_tables("cnc-failure", simulated.fleet.ends, value_ledger(known, prices), ()))
    announced = truth[~truth["held_back"]]
    print(f"In truth acting avoided {announced['would_fail'].sum() - announced['failed'].sum()}.")


if __name__ == "__main__":
    main()
