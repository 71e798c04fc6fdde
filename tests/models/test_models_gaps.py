"""The rule for gaps from an experiment's file into the model, and what a model says where it withholds everything."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import ModelError, UsageError
from data_contracts.tables.history import History
from features import Gaps, coverage, extract
from features.telemetry.point_in_time import GivenHistory
from models.artifact.artifact import Artifact
from models.artifact.scoring import predict_with_reasons, score, score_features
from models.experiment.experiment import Experiment
from models.experiment.experiment_file import load_experiment
from models.registry.registration.model_card import model_card
from models.training.training import Trained, train

HOUR = pd.Timedelta("1h")
TABLE = """\
[features.gaps]
interval = "3h"
fill_for = "6h"
most_missing = 0.3
"""
FILE = f"""\
name = "small"
target = "failure"
[data]
asset_type = "azure_machine"
[label]
horizon = "24h"
[windows]
window = ["6h", "24h"]
stride = "3h"
[split]
kind = "time"
test_start = 2015-03-01
{TABLE}"""
RULE = ("features.gaps.interval=3h", "features.gaps.fill_for=6h", "features.gaps.most_missing=0.3")
Describe = Callable[..., Experiment]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(FILE)
    return path


@pytest.fixture(scope="module")
def trained(plant: History, describe: Describe) -> Trained:
    return train(describe(*RULE, "features.events=false", "features.ages=false"), plant)


def test_an_experiment_declares_the_rule(file: Path) -> None:
    """The table is read as rich types and survives JSON; an experiment without it has none."""
    experiment = load_experiment(file)
    assert experiment.features.gaps == Gaps(3 * HOUR, 6 * HOUR, 0.3)
    assert Experiment.from_json(experiment.to_json()) == experiment
    assert load_experiment(file, ["features.gaps.fill_for=0h"]).features.gaps == Gaps(3 * HOUR, 0 * HOUR, 0.3)
    file.write_text(FILE.replace(TABLE, ""))
    assert load_experiment(file).features.gaps is None
    assert "gaps" not in load_experiment(file).to_json()


@pytest.mark.parametrize(
    ("line", "becomes", "message"),
    [
        (
            'interval = "3h"',
            'intervall = "3h"',
            r"toml:14: features.gaps.intervall is not known.*Did you mean 'interval'",
        ),
        ('fill_for = "6h"', "", "features.gaps.fill_for is missing"),
        ('fill_for = "6h"', "fill_for = 6", r"toml:15: features.gaps.fill_for is the number 6\. Expected a duration"),
        ("most_missing = 0.3", 'most_missing = "30%"', "toml:16: features.gaps.most_missing is the text '30%'"),
        ("most_missing = 0.3", "most_missing = 30", r"toml:13: features.gaps: A most_missing of 30\. Expected a share"),
        ('fill_for = "6h"', 'fill_for = "1h"', "toml:13: features.gaps: A fill_for of 1h.*at least the interval of 3h"),
        ('interval = "3h"', 'interval = "0h"', "toml:13: features.gaps: An interval of 0h"),
        ('interval = "3h"', 'interval = "4h"', "toml:14: features.gaps.interval: A window of 6h .* every 4h"),
        (TABLE, '[features]\ngaps = "all"', "features.gaps is the text 'all'. Expected a section"),
        (TABLE, "[features]\ngaps = true", "features.gaps is the truth value true. Expected a section"),
    ],
)
def test_an_error_names_its_line(file: Path, line: str, becomes: str, message: str) -> None:
    """Unknown and missing keys, wrong types and rules without sense are refused before any data are read."""
    file.write_text(FILE.replace(line, becomes))
    with pytest.raises(UsageError, match=message):
        load_experiment(file)


def test_a_model_keeps_the_rule(trained: Trained, tmp_path: Path) -> None:
    """The rule is part of the model, stored with it, and its card names the three settings."""
    loaded = Artifact.load(trained.artifact.save(tmp_path))
    assert loaded.recipe.gaps == Gaps(3 * HOUR, 6 * HOUR, 0.3)
    assert loaded.digest == trained.artifact.digest
    card = model_card(trained, defaultdict(str))
    assert "Samples are due every 3h; a missing one is filled with a value at most 6h old" in card
    assert "more than 30 % of them missing" in card


def test_without_telemetry_features_nothing_is_predicted(trained: Trained, plant: History) -> None:
    """Where all windows are withheld there is no prediction and no alert, but a reason; elsewhere all is as ever."""
    end, artifact = plant.telemetry["event_time"].max(), trained.artifact
    rows = plant.telemetry
    silent = rows["event_time"] > end - 12 * HOUR
    assets = pd.Series(["m00", "m01", "m02"])
    gone = silent & rows["asset"].eq("m00")
    holed = rows.assign(volt=rows["volt"].mask(silent & rows["asset"].eq("m01")))
    history = replace(plant, telemetry=holed[~gone])
    cut_offs = pd.DataFrame({"asset": assets, "as_of": end})
    scored = score(artifact, history, cut_offs)
    reasons = coverage(history, cut_offs, artifact.recipe)["reason"]
    assert reasons.notna().tolist() == [True, True, False]
    assert scored["reason"].notna().tolist() == [True, False, False]
    assert "of their samples are missing, at most 30 % are allowed" in scored["reason"][0]
    assert scored["probability"].isna().tolist() == [True, False, False]
    assert not scored["alert"][0]
    plain = score_features(artifact, extract(history, cut_offs, artifact.recipe))
    pd.testing.assert_frame_equal(scored.drop(columns="reason")[1:], plain[1:], check_exact=True)
    turned = score(artifact, history, cut_offs[::-1])
    pd.testing.assert_frame_equal(turned[::-1].reset_index(drop=True), scored, check_exact=True)


def test_a_model_without_a_rule_has_no_reasons(plant: History, describe: Describe) -> None:
    """Without a rule a window without readings is predicted for as ever."""
    artifact = train(describe(), plant).artifact
    cut_offs = pd.DataFrame({"asset": ["m00"], "as_of": [plant.telemetry["event_time"].max() + 30 * 24 * HOUR]})
    scored = score(artifact, plant, cut_offs)
    assert scored["reason"].isna().all()
    assert np.isfinite(scored["probability"]).all()


def test_a_rule_that_withholds_everything_cannot_be_learned_under(plant: History, describe: Describe) -> None:
    """With samples required more often than any came there is nothing to learn from, and the error says why."""
    with pytest.raises(ModelError, match=r"holds the readings that features\.gaps asks for"):
        train(describe(*RULE, "features.gaps.interval=1h"), plant)


@pytest.mark.ml_test("Monitor 5")
def test_an_infinite_feature_costs_only_its_own_asset_the_prediction(trained: Trained, plant: History) -> None:
    """What cannot be computed with gets the reason and no number; the others are predicted as ever."""
    artifact, times = trained.artifact, plant.telemetry["event_time"]
    cut_offs = pd.DataFrame({"asset": plant.assets["asset"].unique()[:3], "as_of": times.max()})
    features = extract(plant, cut_offs, artifact.recipe)
    expected = predict_with_reasons(artifact, features, GivenHistory(plant, cut_offs))
    features.iloc[1, 3] = np.inf
    result = predict_with_reasons(artifact, features, GivenHistory(plant, cut_offs))
    assert str(result.reasons[1]).endswith(f"the feature {features.columns[3]} is infinite")
    assert np.isnan(result.predictions[1])
    assert not artifact.alerts(result.predictions)[1]
    for row in (0, 2):
        assert (result.predictions[row], result.reasons[row]) == (expected.predictions[row], None)
