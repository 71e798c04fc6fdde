"""What a season of maintenance costs by the rule of the crews: the worklist, first come, most likely first."""

import numpy as np
import pandas as pd
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import stats

from pipelines.fleet.seasons.priced_fleet import make_priced_fleet, train_model
from pipelines.fleet.seasons.rules import RULES, Crews
from pipelines.fleet.seasons.season import run_season

SEEDS = range(201, 213)
DAYS = 45
MACHINES = 100
CREWS = Crews(machines=2, hours=16.0)


def _seasons() -> pd.DataFrame:
    """Let every rule plan the same seasons; a row a seed and rule."""
    artifact, rows = train_model(), []
    for seed in SEEDS:
        fleet = make_priced_fleet(seed, MACHINES)
        for name, rule in RULES.items():
            cost = run_season(fleet, rule, CREWS, DAYS, artifact)
            rows.append({"seed": seed, "rule": name, "total": cost.total} | vars(cost))
    return pd.DataFrame(rows)


@pytest.mark.timeout(3600)
def test_the_worklist_is_cheaper_than_either_rule(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """In total over all seasons, and by more than chance."""
    seasons = benchmark.pedantic(_seasons, rounds=1)
    total = seasons.pivot_table(index="seed", columns="rule", values="total") / 1e6
    table = seasons.groupby("rule")[["failures", "visits", "in_vain"]].sum().assign(millions=total.sum())
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
