"""The back-test of a model of crossings uses the readings known at each time, not what corrected them later."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.tables import tables
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace, init_workspace
from models.experiment.experiment import Experiment
from models.experiment.experiment_file import load_experiment
from models.retraining.alpha_spending import AlphaWealth
from pipelines.backtesting.backtest_versions import CachedModels
from pipelines.settings.settings import Settings, read_settings

START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
PUMPS = [f"p{number:02d}" for number in range(8)]
LIMIT, END, CORRECTED = 150.0, 90, 62
EXPERIMENT = """
name = "crossing"
target = "failure"
seed = 3
[data]
asset_type = "pump"
[label]
horizon = "24h"
condition = "wear"
threshold = 150
reporting_delay = "6h"
[windows]
window = "12h"
stride = "12h"
[features]
tsfresh = ["mean", "maximum"]
events = false
ages = false
[estimator]
params = { n_estimators = 15, num_leaves = 7, min_child_samples = 5 }
[split]
kind = "time"
test_start = 2026-02-05T00:00:00Z
"""


def at(day: float) -> pd.Timestamp:
    return START + day * DAY


def readings() -> pd.DataFrame:
    """Wear grows past the limit until the pump is renewed, and vibration with it."""
    rng, hours = np.random.default_rng(5), np.arange(0, END * 24, 4)
    parts = []
    for pump in PUMPS:
        rate = rng.uniform(1.5, 3.0)
        wear = (rng.uniform(0, LIMIT) + rate * 4 * np.arange(len(hours)) / 3) % (LIMIT + 90)
        vibration = 1 + (wear / 100) ** 2 + rng.normal(0, 0.1, len(hours))
        times = START + hours * HOUR
        # Measured more seldom than a window is long.
        wear = np.where(np.arange(len(hours)) % 9 == 0, wear, np.nan)
        parts.append(pd.DataFrame({"asset": pump, "event_time": times, "wear": wear, "vibration": vibration}))
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(known_time=rows["event_time"] + HOUR, source="physical")


def corrections(rows: pd.DataFrame, changed: "pd.Series[bool]", known: pd.Timestamp) -> pd.DataFrame:
    """Turn readings over: those beyond the limit were below it, and the other way round."""
    return rows[changed].assign(wear=LIMIT + 20 - rows.loc[changed, "wear"] % LIMIT, known_time=known)


ROWS = readings()


def history_of(telemetry: pd.DataFrame) -> History:
    no_time = pd.Series([], dtype="datetime64[us, UTC]")
    nothing = pd.DataFrame({"asset": pd.Series([], dtype="str"), "event_time": no_time, "known_time": no_time})
    failures = nothing.assign(failure_id=pd.Series([], dtype="str"), mode=pd.Series([], dtype="str"))
    orders = nothing.assign(**dict.fromkeys(["work_order_id", "kind", "component", "finding", "prompted_by"]))
    assets = pd.DataFrame({"asset": PUMPS, "event_time": START, "known_time": START, "asset_type": "pump"})
    assets = assets.assign(model="m", plant="a", line="b")
    events = nothing.assign(code=pd.Series([], dtype="str"))
    return History("pump", ("wear", "vibration"), telemetry, assets, failures, orders, events)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    created = init_workspace(tmp_path_factory.mktemp("pumps") / "w")
    tables.append(created, "telemetry/pump", ROWS, "telemetry")
    return created


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    file = tmp_path_factory.mktemp("experiment") / "crossing.toml"
    file.write_text(EXPERIMENT)
    return load_experiment(file)


@pytest.fixture(scope="module")
def rules(workspace: Workspace) -> Settings:
    return read_settings(workspace, {}).with_section("retrain", holdout=14 * DAY)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), look=st.integers(20, 90))
def test_nothing_known_later_judges_an_alarm(
    workspace: Workspace, experiment: Experiment, rules: Settings, seed: int, look: int
) -> None:
    """What judges alarms at a look is the same whatever corrections come after it."""
    rng = np.random.default_rng(seed)
    changed = pd.Series(rng.random(len(ROWS)) < 0.2, index=ROWS.index)
    corrected = corrections(ROWS, changed, START)
    late = corrected["event_time"] + pd.to_timedelta(rng.integers(2, 800, len(corrected)), unit="h")
    whole = history_of(pd.concat([ROWS, corrected.assign(known_time=late)], ignore_index=True))
    then = whole.as_of(at(look))
    assert len(then.telemetry) < len(whole.telemetry)
    one, other = (CachedModels(workspace, experiment, each, rules, Path("nowhere")) for each in (whole, then))
    pd.testing.assert_frame_equal(one.sources(at(look)).failures, other.sources(at(look)).failures)
    assert one.sources(at(look)).terms == other.sources(at(look)).terms


def test_a_crossing_counts_until_it_is_corrected(workspace: Workspace, experiment: Experiment, rules: Settings) -> None:
    """A crossing that a later correction takes away was one at the looks before it, and is none after it."""
    beyond = (ROWS["asset"] == PUMPS[0]) & (ROWS["wear"] > LIMIT)
    taken_away = corrections(ROWS, beyond, at(CORRECTED)).assign(wear=0.0)
    whole = history_of(pd.concat([ROWS, taken_away], ignore_index=True))
    models = CachedModels(workspace, experiment, whole, rules, Path("nowhere"))
    before, after = (
        models.sources(at(day)).failures.loc[lambda frame: frame["asset"] == PUMPS[0], "event_time"]
        for day in (CORRECTED - 1, CORRECTED + 1)
    )
    assert len(before) > 2
    assert not before.isin(after).any()


@pytest.mark.slow
def test_models_use_nothing_known_later(
    workspace: Workspace, experiment: Experiment, rules: Settings, tmp_path: Path
) -> None:
    """Trained, applied and compared, they are the same with and without the corrections that come later."""
    recent = ROWS["event_time"].between(at(20), at(CORRECTED - 2)) & (ROWS["asset"] != PUMPS[-1])
    corrected = corrections(ROWS, recent, at(CORRECTED))
    whole = history_of(pd.concat([ROWS, corrected], ignore_index=True))
    moment = at(CORRECTED - 1)
    then = whole.as_of(moment)
    assert len(whole.telemetry) - len(then.telemetry) > len(corrected)
    results = []
    for name, history in (("whole", whole), ("then", then)):
        models = CachedModels(workspace, experiment, history, rules, tmp_path / name)
        champion, challenger = models.train(at(40)), models.train(moment)
        # The last cut-off of a history comes before its last reading.
        predictions = models.predict(champion, at(40), moment - DAY)
        plan = models.plan(champion, moment, AlphaWealth(moment, 0.1), urgent=False)
        results.append((champion, challenger, predictions, plan, models.compare(champion, challenger, moment, 0.1)))
    one, other = results
    assert one[:2] == other[:2]
    pd.testing.assert_frame_equal(one[2], other[2])
    assert one[2]["alert"].any()
    assert one[3] == other[3]
    assert one[4].figures is not None
    assert one[4] == other[4]


@pytest.mark.slow
def test_an_asset_stays_beyond_until_it_is_measured_again(
    workspace: Workspace, experiment: Experiment, rules: Settings, tmp_path: Path
) -> None:
    """What is predicted does not depend on when the predictions of a period begin."""
    models = CachedModels(workspace, experiment, history_of(ROWS), rules, tmp_path)
    version = models.train(at(45))
    whole = models.predict(version, at(46), at(70))
    parts = pd.concat([models.predict(version, at(day), at(day + 1)) for day in range(46, 70)])
    order = ["asset", "as_of"]
    pd.testing.assert_frame_equal(
        parts.sort_values(order, ignore_index=True), whole.sort_values(order, ignore_index=True)
    )
