"""Error rates of a fleet whose mechanics prevent most alarmed failures: bias and coverage, ours and the naive ones."""

import pandas as pd
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from models.outcomes.finding_errors import FindingQuality
from pipelines.fleet.histories.recorded import DAY
from pipelines.fleet.histories.slotted import SlottedPlant, estimated_rates

HISTORIES = 300
PLANTS = {
    "reports at once": SlottedPlant(),
    "reports three weeks late": SlottedPlant(late=21 * DAY),
    "late, a third unreported": SlottedPlant(late=21 * DAY, unreported_share=1 / 3),
    "late, a fifth of the defects reported as no fault": SlottedPlant(late=21 * DAY, sensitivity=0.8),
}


@pytest.mark.parametrize("name", PLANTS)
def test_rates_of_an_intervened_fleet(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    plant = PLANTS[name]
    findings = FindingQuality(plant.sensitivity, plant.specificity)
    rates = benchmark.pedantic(
        estimated_rates, args=(plant, HISTORIES), kwargs={"seed": 7, "findings": findings}, rounds=1
    )
    rows = []
    for rate, truth in (("false", plant.false_per_month), ("missed", plant.missed)):
        ours, naive = rates[rate].mean(), rates[f"naive_{rate}"].mean()
        coverage = [
            ((rates[f"{rate}_{low}"] <= truth) & (truth <= rates[f"{rate}_{high}"])).mean()
            for low, high in (("low", "high"), ("bound_low", "bound_high"))
        ]
        rows.append([rate, truth, naive, naive / truth, ours, *coverage])
    columns = ["rate", "true", "naive", "naive/true", "ours", "interval holds", "bounds hold"]
    with capsys.disabled():
        print(f"\n{name}: {HISTORIES} histories, mechanics act on {plant.acted:.0%} of the alarms")
        print(pd.DataFrame(rows, columns=columns).round(3).to_string(index=False))
    assert rows[0][3] > 3
    # 95 %, less three standard errors of 300 histories.
    assert rows[0][-1] > 0.912
    assert rows[1][-1] > 0.912
