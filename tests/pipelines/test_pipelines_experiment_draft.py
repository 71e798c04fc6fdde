"""The experiment that the report on stored data writes."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import UsageError
from data_contracts.tables import tables
from data_contracts.tables.history import read_history
from data_contracts.workspace import Workspace, init_workspace
from models.experiment.condition_outcomes import feature_channels
from models.experiment.experiment_file import load_experiment
from pipelines.data_reports.experiment_draft import FEW
from pipelines.data_reports.outcome_choice import OutcomeChoice
from pipelines.jobs.data_report import DescribedData, describe_data

START = pd.Timestamp("2025-05-01", tz="UTC").as_unit("us")
NOW = pd.Timestamp("2026-08-01", tz="UTC")
HOUR = pd.Timedelta(hours=1).as_unit("us")
OUTCOMES = [
    OutcomeChoice(),
    OutcomeChoice("remaining_life"),
    OutcomeChoice("failure", "wear", 100.0),
    OutcomeChoice("remaining_life", "wear", -100.0, "below"),
    OutcomeChoice("condition", "wear"),
]


def stored(folder: Path, looms: int, hours: int = 120, table: str = "telemetry/loom") -> Workspace:
    """Store hourly readings of looms, half of which wear beyond 100 (or -100) and are booked as failed."""
    workspace = init_workspace(folder / "w")
    hour = np.arange(hours)
    parts, failures = [], []
    for number in range(looms):
        sign = 1 if number % 2 else -1
        begin = START + 30 * number * HOUR
        times = begin + pd.to_timedelta(hour, unit="h").astype("timedelta64[us]")
        parts.append(pd.DataFrame({"asset": f"l{number}", "event_time": times, "wear": sign * hour * 1.0}))
        failures.append((f"f{number}", f"l{number}", begin + 101 * HOUR))
    frame = pd.concat(parts, ignore_index=True)
    frame = frame.assign(known_time=frame["event_time"], source="physical", load=1.0, **{"feed.rate": 2.0})
    tables.append(workspace, table, frame, "readings")
    booked = pd.DataFrame(failures, columns=["failure_id", "asset", "event_time"]).assign(mode="worn")
    tables.append(workspace, "failures", booked.assign(known_time=booked["event_time"]), "failures")
    return workspace


def drafted(workspace: Workspace, file: Path, outcome: OutcomeChoice, **options: object) -> DescribedData:
    return describe_data(workspace, None, now=NOW, outcome=outcome, experiment=file, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("looms", [8, 2 * FEW + 4])
def test_every_draft_is_an_experiment(tmp_path: Path, looms: int) -> None:
    """Whatever is predicted and however far; with few failures every asset is tested by a model of others."""
    workspace = stored(tmp_path, looms)
    for number, (outcome, horizon) in enumerate(itertools.product(OUTCOMES, (None, 20 * HOUR))):
        file = tmp_path / f"{number}.toml"
        assert drafted(workspace, file, outcome, horizon=horizon).experiment == file
        experiment = load_experiment(file)
        assert (experiment.target, experiment.data.asset_type) == (outcome.target, "loom")
        assert (experiment.label.condition, experiment.label.threshold) == (outcome.condition, outcome.threshold)
        ahead = experiment.label.cap if outcome.target == "remaining_life" else experiment.label.horizon
        assert ahead == horizon or horizon is None
        few = looms == 8
        assert experiment.estimator.kind == ("extremely_randomized_trees" if few else "lightgbm")
        assert experiment.split.kind == ("cross" if few or outcome.target == "condition" else "time")


def test_the_channel_that_defines_the_failure_is_no_feature(tmp_path: Path) -> None:
    workspace = stored(tmp_path, 8)
    drafted(workspace, tmp_path / "a.toml", OutcomeChoice("failure", "wear", 100.0))
    drafted(workspace, tmp_path / "b.toml", OutcomeChoice(), left_out=["wear"])
    history = read_history(workspace, "loom")
    for name in ("a", "b"):
        channels = feature_channels(load_experiment(tmp_path / f"{name}.toml"), history)
        assert sorted(channels or ()) == ["feed.rate", "load"]


def test_crossings_are_the_failures_of_the_report(tmp_path: Path) -> None:
    """Not those that were booked: four of eight looms wear upwards."""
    workspace = stored(tmp_path, 8)
    (report,) = describe_data(workspace, "loom", now=NOW, outcome=OutcomeChoice("failure", "wear", 90.0)).reports
    assert (report.failures.breakdowns, report.failures.assets, report.failures.between_h) == (4, 4, 91.0)
    assert "wear above 90 in 4 assets, 4 times: these are the failures" in report.head
    (booked,) = describe_data(workspace, "loom", now=NOW).reports
    assert (booked.failures.breakdowns, booked.failures.between_h) == (8, 101.0)
    (none,) = describe_data(workspace, "loom", now=NOW, outcome=OutcomeChoice("failure", "wear", 900.0)).reports
    assert "no asset has wear above 900: nothing to learn from yet" in none.head


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        (("failure", None, 3.0), "--threshold without --condition"),
        (("condition", None, None), "--target condition without --condition"),
        (("failure", "wear", None), "--condition wear without --threshold"),
        (("condition", "wear", 3.0), "--threshold with --target condition"),
    ],
)
def test_half_an_outcome_is_refused(choice: tuple[str, str | None, float | None], found: str) -> None:
    with pytest.raises(UsageError, match=found):
        OutcomeChoice(*choice)  # type: ignore[arg-type]


def test_what_cannot_be_drafted_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    workspace = stored(tmp_path, 8)
    (tmp_path / "old.toml").write_text("mine")
    refused: list[tuple[str, OutcomeChoice, dict[str, object], str]] = [
        ("old.toml", OutcomeChoice(), {}, "old.toml exists"),
        ("draft.yaml", OutcomeChoice(), {}, "does not end in .toml"),
        ("a.toml", OutcomeChoice("condition", "waer"), {}, "--condition waer"),
        ("b.toml", OutcomeChoice(), {"left_out": ["lod"]}, "--leave-out lod"),
        ("c.toml", OutcomeChoice("failure", "wear", 900.0), {}, "no failure lies within"),
    ]
    for name, outcome, options, found in refused:
        with pytest.raises(UsageError, match=found):
            drafted(workspace, tmp_path / name, outcome, **options)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["old.toml", "w"]
    assert (tmp_path / "old.toml").read_text() == "mine"


def test_one_type_is_chosen_where_there_are_several(tmp_path: Path) -> None:
    workspace = stored(tmp_path, 8)
    rows = tables.read(workspace, "telemetry/loom")
    tables.append(workspace, "telemetry/press", rows.assign(asset="p" + rows["asset"]), "presses")
    with pytest.raises(UsageError, match="--asset-type"):
        drafted(workspace, tmp_path / "a.toml", OutcomeChoice("condition", "wear"))
    described = describe_data(workspace, "press", now=NOW, outcome=OutcomeChoice("condition", "wear"))
    assert [report.asset_type for report in described.reports] == ["press"]
