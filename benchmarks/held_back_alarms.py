"""How well alarms held back at random show the effect of acting: bias, coverage and width of 90 % intervals.

Prints the table of docs/explanation/retraining.md: ``python benchmarks/held_back_alarms.py``.
"""

import argparse
import math

import numpy as np
import pandas as pd

from models.experiment.plans import CostPlan
from models.hold_back.acting_effect import effect_of_acting
from models.outcomes.outcomes import Terms
from pipelines.fleet.histories.recorded import DAY, history_of
from pipelines.fleet.histories.slotted import HORIZON, SlottedPlant, simulate

CONFIDENCE = 0.9
ROWS = [(acted, share, slots) for acted in (0.0, 0.5, 0.8) for share, slots in ((0.1, 20), (0.1, 60), (0.2, 20))]


def effects(plant: SlottedPlant, histories: int, seed: int) -> pd.DataFrame:
    """Return the estimate of each history: alarms held back, value, low, high, and whether it tells from nothing."""
    recorded = simulate(plant, histories, np.random.default_rng(seed))
    terms = Terms(lead=0 * DAY, horizon=HORIZON, gap=2 * DAY, reporting_delay=plant.late)
    drawn, failed = (
        dict(iter(frame.groupby(history_of(frame["asset"], plant.assets))))
        for frame in (recorded.draws, recorded.failures)
    )
    rows = []
    for number in range(histories):
        effect = effect_of_acting(
            drawn[number],
            failed.get(number, recorded.failures.head(0)),
            now=plant.end,
            terms=terms,
            costs=CostPlan(),
            share=plant.hold_back,
            confidence=CONFIDENCE,
        )
        rows.append((effect.held_back.of, effect.prevented.value, effect.prevented.low, effect.prevented.high))
    found = pd.DataFrame(rows, columns=["held", "value", "low", "high"])
    return found.assign(shown=(found["low"] > 0) | (found["high"] < 0))


def main() -> None:
    """Print a row for each plant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=400)
    parser.add_argument("--seed", type=int, default=4711)
    options = parser.parse_args()
    print("| failures prevented | share held back | alarms held back | bias | covered | width | told from nothing |")
    print("|---|---|---|---|---|---|---|")
    for acted, share, slots in ROWS:
        plant = SlottedPlant(acted=acted, hold_back=share, slots=slots)
        seen = plant.defect * (1 - plant.missed)
        truth = acted * seen / (seen + plant.false_alarm)
        found = effects(plant, options.histories, options.seed)
        error = found["value"].std() / math.sqrt(len(found))
        covered = (found["low"] <= truth) & (truth <= found["high"])
        print(
            f"| {acted:.0%} | {share:.0%} | {found['held'].mean():.0f} | "
            f"{found['value'].mean() - truth:+.3f} ({error:.3f}) | {covered.mean():.3f} | "
            f"{(found['high'] - found['low']).mean():.2f} | {found['shown'].mean():.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
