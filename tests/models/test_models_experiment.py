"""Experiments: strict files, said where they are wrong, and the same again from JSON."""

from pathlib import Path

import pandas as pd
import pytest

from data_contracts.errors import UsageError
from models.experiment.experiment import Experiment
from models.experiment.experiment_file import load_experiment
from models.experiment.plans import CostPlan, LabelPlan, SplitPlan

TEXT = """\
name = "azure-failure"
target = "failure"
seed = 7

[data]
asset_type = "azure_machine"

[label]
horizon = "24h"

[windows]
window = ["3h", "24h"]
stride = "1h"

[estimator]
kind = "lightgbm"
params = { n_estimators = 10 }

[split]
kind = "time"
test_start = 2015-03-01
"""

STORED = (
    '{"alarms": {"gap": "24h"}, "costs": {"false_alarm": 1.0, "missed_failure": 10.0}, "data": {"asset_type": '
    '"turbofan", "plant": "FD001"}, "estimator": {"calibration": "none", "kind": "lightgbm", "params": '
    '{"bagging_fraction": 0.7, "bagging_freq": 1, "extra_trees": true, "feature_fraction": 0.3, "lambda_l2": '
    '1.0, "learning_rate": 0.015, "min_child_samples": 100, "n_boosters": 3, "n_estimators": 800, '
    '"num_leaves": 31}}, "features": {"ages": true, "always": ["mean", "linear_trend__attr_\\"slope\\""], '
    '"channels": ["s2", "s3", "s4", "s7", "s8", "s9", "s11", "s12", "s13", "s14", "s15", "s17", "s20", '
    '"s21"], "events": false, "keep": 20, "operating_channels": [], "regime_channels": "replace", "regimes": '
    '0, "tsfresh": "efficient"}, "label": {"cap": "125h", "down_after_failure": "0h", "lead": "0h"}, "name": '
    '"fd001-remaining-life", "seed": 7, "split": {"folds": 3, "kind": "asset", "score_at": "last", "test": '
    '["FD001-test-*"], "validation": 0.5}, "target": "remaining_life", "windows": {"stride": "1h", "window": '
    '["10h", "30h", "100h", "start"]}}'
)
"""An experiment as a registered version's tag holds it."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "azure.toml"
    path.write_text(TEXT)
    return path


def test_durations_and_times_are_parsed_at_the_edge(file: Path) -> None:
    """Inside an experiment durations and times are rich types, in UTC."""
    experiment = load_experiment(file)
    assert experiment.windows.window == (pd.Timedelta("3h"), pd.Timedelta("24h"))
    assert experiment.split.test_start == pd.Timestamp("2015-03-01", tz="UTC")
    assert experiment.purge == pd.Timedelta("24h")
    assert experiment.model_name == "azure-failure"


def test_json_gives_the_same_experiment_back(file: Path) -> None:
    """An experiment survives JSON."""
    experiment = load_experiment(file, ['features.tsfresh=["mean"]', "label.lead=90min", "split.test_end=2015-03-20"])
    assert Experiment.from_json(experiment.to_json()) == experiment


@pytest.mark.ml_test("Data 6")
def test_overrides_are_toml_values_or_bare_text(file: Path) -> None:
    """`a.b=value` replaces a key; text may go without quotes."""
    experiment = load_experiment(
        file, ["estimator.kind=logistic", "estimator.params={C = 2.0}", "seed=3", "features.events=false"]
    )
    assert (experiment.estimator.kind, experiment.estimator.params) == ("logistic", {"C": 2.0})
    assert (experiment.seed, experiment.features.events) == (3, False)


@pytest.mark.parametrize(
    ("line", "becomes", "message"),
    [
        ('horizon = "24h"', 'horizn = "24h"', r"azure.toml:9: label.horizn is not known.*Did you mean 'horizon'"),
        ('horizon = "24h"', "horizon = 24", r"azure.toml:9: label.horizon is the number 24\. Expected a duration"),
        ('horizon = "24h"', 'horizon = "soon"', r"azure.toml:9: label.horizon is 'soon'"),
        ("seed = 7", "seed = true", r"azure.toml:3: seed is the truth value true\. Expected a whole number"),
        ('target = "failure"', 'target = "failures"', r"Did you mean 'failure'"),
        ("test_start = 2015-03-01", "", r"split.test_start is missing"),
        ("test_start = 2015-03-01", 'test_start = "March"', r"azure.toml:21: split.test_start is 'March'"),
        ('asset_type = "azure_machine"', "", r"data.asset_type is missing"),
        ("[split]", "[spilt]", r"azure.toml:19: spilt is not known.*Did you mean 'split'"),
        ("seed = 7", "seed = ", r"is not TOML.*line 3"),
        ('stride = "1h"', 'stride = "0h"', r"windows.stride"),
        ('name = "azure-failure"', 'name = "a/b"', r"name is 'a/b'"),
    ],
)
@pytest.mark.ml_test("Infra 2")
def test_what_is_wrong_is_reported_with_its_line(file: Path, line: str, becomes: str, message: str) -> None:
    """Unknown keys, wrong types and missing keys are refused with the line, what was expected, and a suggestion."""
    file.write_text(TEXT.replace(line, becomes))
    with pytest.raises(UsageError, match=message):
        load_experiment(file)


@pytest.mark.parametrize("wrong", ["seed", "seed.x=1", "estimator.kidn=logistic", "=3", "label.horizon=3"])
def test_wrong_overrides_are_blamed_on_the_command_line(file: Path, wrong: str) -> None:
    """A wrong --set is reported as such, not as a line of the file."""
    with pytest.raises(UsageError, match="--set"):
        load_experiment(file, [wrong])


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """An experiment that is not there is a usage error."""
    with pytest.raises(UsageError, match="cannot be read"):
        load_experiment(tmp_path / "none.toml")


@pytest.mark.ml_test("Model 3")
def test_variants_are_judged_on_something_else(file: Path) -> None:
    """`with_split` changes the split and nothing else."""
    experiment = load_experiment(file)
    later = experiment.with_split(test_start=pd.Timestamp("2015-03-15", tz="UTC"))
    assert later.split.test_start != experiment.split.test_start
    assert later.with_split(test_start=experiment.split.test_start) == experiment


def test_every_shipped_experiment_is_understood(repository: Path) -> None:
    """Every experiment that ships with forewarn is read, and survives JSON."""
    for path in sorted((repository / "pipelines" / "experiments").glob("*.toml")):
        experiment = load_experiment(path)
        assert Experiment.from_json(experiment.to_json()) == experiment


def test_the_fleet_with_several_horizons_is_the_fleet(repository: Path) -> None:
    """The fleet's experiment of three horizons is the fleet's own but for them and its name."""
    folder = repository / "pipelines" / "experiments"
    one, three = (load_experiment(folder / f"{name}.toml").to_dict() for name in ("fleet", "fleet_horizons"))
    assert three["label"].pop("horizons") == ["24h", "72h", "168h"]
    assert three | {"name": one["name"]} == one


def test_what_registered_versions_hold_is_read_and_written_alike(repository: Path) -> None:
    """The text of an experiment in a registered version's tag stays what it was, to the letter."""
    searching = [
        "features.tsfresh=efficient",
        "features.keep=20",
        "features.always=['mean', 'linear_trend__attr_\"slope\"']",
    ]
    experiment = load_experiment(repository / "pipelines" / "experiments" / "fd001.toml", searching)
    assert Experiment.from_json(STORED) == experiment
    assert experiment.to_json() == STORED


def test_values_given_in_code_are_checked_too() -> None:
    """A plan that makes no sense is a usage error wherever it is made, and names its key."""
    with pytest.raises(UsageError, match="false_alarm is the number -1"):
        CostPlan(10.0, -1.0)
    with pytest.raises(UsageError, match="test_start is missing"):
        SplitPlan("time")
    with pytest.raises(UsageError, match="horizn is not known"):
        LabelPlan(horizn=pd.Timedelta("1h"))  # type: ignore[call-arg]


@pytest.mark.parametrize("pattern", ["", "m[0"])
def test_patterns_are_checked(file: Path, pattern: str) -> None:
    """A glob pattern is not empty, and closes its brackets."""
    with pytest.raises(UsageError, match=r"split\.test"):
        load_experiment(file, ["split.kind=asset", f'split.test="{pattern}"'])
    assert load_experiment(file, ["split.kind=asset", "split.test=m0[67]*"]).split.test == ("m0[67]*",)
