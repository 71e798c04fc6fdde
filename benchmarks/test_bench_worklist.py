"""What a season of maintenance costs by whose list the crews go: ours, first come first served, most likely first."""

import numpy as np
import pandas as pd
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import stats

from benchmarks.planned_fleet import RULES, Crews, plant, season, trained

SEEDS = range(201, 213)
DAYS = 45
MACHINES = 100
CREWS = Crews(machines=2, hours=16.0)


def _seasons() -> pd.DataFrame:
    """Let every rule plan the same seasons; a row a seed and rule."""
    artifact, rows = trained(), []
    for seed in SEEDS:
        fleet = plant(seed, MACHINES)
        for name, rule in RULES.items():
            bill = season(fleet, rule, CREWS, DAYS, artifact)
            rows.append({"seed": seed, "rule": name, "total": bill.total} | vars(bill))
    return pd.DataFrame(rows)


@pytest.mark.timeout(3600)
def test_the_worklist_is_cheaper_than_either_rule(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """In total over all seasons, and by more than chance."""
    found = benchmark.pedantic(_seasons, rounds=1)
    total = found.pivot_table(index="seed", columns="rule", values="total") / 1e6
    table = found.groupby("rule")[["failures", "visits", "in_vain"]].sum().assign(millions=total.sum())
    extra = {}
    for name in total.columns.drop("worklist"):
        more = total[name] - total["worklist"]
        mean, half = more.mean(), stats.t.ppf(0.975, len(more) - 1) * more.std() / np.sqrt(len(more))
        extra[name] = (mean, mean - half, mean + half)
    with capsys.disabled():
        print(f"\n{len(SEEDS)} seasons of {DAYS} days, {MACHINES} machines, crews for {CREWS.machines} a day")
        print(table.round(1).to_string())
        for name, (mean, low, high) in extra.items():
            share = 1 - total["worklist"].sum() / total[name].sum()
            print(
                f"the worklist is {share:.1%} cheaper than {name}: {mean:.2f} millions a season ({low:.2f}, {high:.2f})"
            )
    assert all(low > 0 for _, low, _ in extra.values())
