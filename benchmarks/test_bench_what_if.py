"""What maintenance by another threshold would do, foretold from a record without maintenance, and what it then does."""

from pathlib import Path

import pandas as pd
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from data_contracts.tables.history import open_history
from data_contracts.workspace import Workspace, init_workspace
from models.artifact.artifact import Artifact
from models.artifact.scoring import score
from models.experiment.experiment_file import load_experiment
from models.what_if.alternatives import Alternative
from models.what_if.compared import EXPECTED
from models.what_if.event_costs import IN_VAIN, VISITS
from pipelines.backtesting.backtest_versions import CachedModels, cache_folder
from pipelines.fleet.plant.channels import CHANNELS
from pipelines.fleet.plant.machines import ASSET_TYPE
from pipelines.fleet.seasons.priced_fleet import EXPERIMENT, KnownRecords
from pipelines.fleet.simulation import Fleet, simulate
from pipelines.importers.batch import import_batch
from pipelines.settings.settings import read_settings
from pipelines.what_if.config import WhatIfConfig
from pipelines.what_if.result import WhatIfResult
from pipelines.what_if.what_if import Subject, run_what_if

DAY, HOUR = pd.Timedelta(days=1), pd.Timedelta(hours=1)
START = pd.Timestamp("2025-01-01", tz="UTC").as_unit("us")
MACHINES, DAYS, TRAINED = 60, 240, 120
STRIDE = 12 * HOUR
THRESHOLDS = (0.1, 0.3, 0.6)
SEEDS = (7, 11)
# The mechanics of the simulator come 4 to 24 hours after an alarm, and find what wears out days before it fails.
RESPONSE, DETECTABLE = 14 * HOUR, 72 * HOUR


def _foretell(workspace: Workspace, simulated: int) -> WhatIfResult:
    rows = tuple(Alternative(threshold=threshold) for threshold in THRESHOLDS)
    config = WhatIfConfig(
        rows, Alternative(machines_per_day=0), train_at=float(TRAINED), response=RESPONSE, detectable=DETECTABLE,
        simulate=simulated,
    )  # fmt: skip
    subject = Subject(load_experiment(EXPERIMENT, ["windows.stride=12h"]))
    return run_what_if(workspace, subject, config, settings=read_settings(workspace, {}))


def _trained(workspace: Workspace) -> Artifact:
    experiment, settings = load_experiment(EXPERIMENT, ["windows.stride=12h"]), read_settings(workspace, {})
    history = open_history(workspace, ASSET_TYPE, checked=True)
    folder = cache_folder(workspace.root, experiment, history, settings)
    models = CachedModels(workspace, experiment, history, settings, folder)
    return models.artifact(models.train(START + TRAINED * DAY))


def _happened(seed: int, artifact: Artifact, threshold: float, result: WhatIfResult) -> dict[str, float]:
    """Let the same fleet be maintained by the alarms, and count what happens in the time that was foretold."""
    fleet, records = Fleet(seed, MACHINES, start=START), KnownRecords()
    begins = START + TRAINED * DAY
    records.add(fleet.advance(begins), begins)
    while fleet.now < START + DAYS * DAY:
        now = fleet.now
        history = records.history()
        recent = history.telemetry
        running = sorted(recent.loc[recent["event_time"] > now - 6 * HOUR, "asset"].unique())
        scores = score(artifact, history, pd.DataFrame({"asset": running, "as_of": now}))
        alarmed = scores.loc[scores["probability"] >= threshold, "asset"]
        records.add(fleet.advance(now + STRIDE, [(asset, now) for asset in alarmed]), now)
    span = result.span
    frames = {name: records.frames[name] for name in ("failures", "work_orders")}
    failures, orders = (
        frame[(frame["event_time"] > span.since) & (frame["event_time"] <= span.until)] for frame in frames.values()
    )
    orders = orders.sort_values("known_time").drop_duplicates("work_order_id", keep="last")
    visits = orders[orders["prompted_by"].eq("alarm")]
    vain = float(visits["finding"].ne("defect_confirmed").sum())
    return {EXPECTED: float(failures["failure_id"].nunique()), VISITS: float(len(visits)), IN_VAIN: vain}


def _table(folder: Path) -> pd.DataFrame:
    rows = []
    for seed in SEEDS:
        workspace = init_workspace(folder / str(seed))
        import_batch(workspace, simulate(seed, MACHINES, start=START, days=DAYS), now=START + DAYS * DAY)
        replayed, lived = _foretell(workspace, 0), _foretell(workspace, 100)
        artifact = _trained(workspace)
        for place, threshold in enumerate(THRESHOLDS, start=1):
            happened = _happened(seed, artifact, threshold, replayed)
            for what, value in happened.items():
                one, other = replayed.rows[place].figures[what], lived.rows[place].figures[what]
                rows.append(
                    {"seed": seed, "threshold": threshold, "what": what, "happened": value, "replayed": one.value}
                    | {"simulated": other.value, "low": other.low, "high": other.high}
                )
        none = lived.rows[0].figures[EXPECTED]
        there = {"happened": replayed.recorded.failures, "replayed": replayed.rows[0].figures[EXPECTED].value}
        rows.append(
            {"seed": seed, "threshold": 1.0, "what": "without", **there, "simulated": none.value, "low": none.low}
            | {"high": none.high}
        )
    return pd.DataFrame(rows)


@pytest.mark.timeout(3600)
def test_what_was_foretold_happens(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Both ways foretell which threshold prevents more failures, and about how many."""
    table = benchmark.pedantic(_table, (tmp_path,), rounds=1)
    with capsys.disabled():
        print(f"\n{MACHINES} machines of {len(CHANNELS)} channels, {DAYS - TRAINED} days after training")
        print(table.round(1).to_string(index=False))
    failures = table[table["what"] == EXPECTED]
    for _, rows in failures.groupby("seed"):
        assert rows["happened"].corr(rows["replayed"], method="spearman") > 0
        assert rows["happened"].corr(rows["simulated"], method="spearman") > 0
