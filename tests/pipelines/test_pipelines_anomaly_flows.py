"""An anomaly model goes through every flow: trained, scored, judged by findings, monitored, retrained, replayed."""

import pandas as pd

from models.experiment.experiment_file import load_experiment
from pipelines.jobs.monitor import monitor_champion
from pipelines.jobs.retrain import retrain_champion
from pipelines.jobs.score import score_fleet
from pipelines.jobs.train import train_experiment

ANOMALY = """
name = "odd"
target = "anomaly"
seed = 3
[data]
asset_type = "azure_machine"
plant = "plant"
[label]
horizon = "48h"
reporting_delay = "12h"
[windows]
window = "12h"
stride = "6h"
[features]
tsfresh = "minimal"
[estimator]
kind = "mahalanobis"
[alarms]
per_asset_month = 1
[costs]
missed_failure = 10
false_alarm = 1
[split]
kind = "time"
test_start = 2026-02-05T00:00:00Z
"""


def test_all(plant, tmp_path):
    file = tmp_path / "odd.toml"
    file.write_text(ANOMALY)
    w = plant.workspace
    r = train_experiment(w, load_experiment(file), now=plant.at(55))
    print(r.to_dict())
    for day in range(56, 110):
        for h in (0, 6, 12, 18):
            s = score_fleet(
                w, "odd", as_of=plant.at(day) + pd.Timedelta(hours=h), now=plant.at(day) + pd.Timedelta(hours=h)
            )
    print(s.to_dict())
    import traceback

    try:
        m = monitor_champion(w, "odd", now=plant.at(110), settings=plant.settings)
        print(m.decision, m.reasons, m.drift.which, m.warnings)
    except Exception:
        traceback.print_exc()
    try:
        m = retrain_champion(w, "odd", now=plant.at(110), settings=plant.settings)
        print(m.to_dict())
    except Exception:
        traceback.print_exc()
