"""How often the intervals of `forewarn value` hold what acting truly avoided, on simulated fleets of several kinds."""

import argparse
import math

from models.outcomes.rate_intervals import share
from pipelines.fleet.histories.value_coverage import KINDS, coverage


def main() -> None:
    """Print a row for each kind of fleet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=100)
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--kind", choices=tuple(KINDS), action="append")
    options = parser.parse_args()
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


if __name__ == "__main__":
    main()
