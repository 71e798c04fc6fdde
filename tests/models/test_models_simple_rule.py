"""The ranking figures of a trained model beside a rule that needs none."""

from collections.abc import Callable

import numpy as np
import pytest

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from models.assessment.simple_rule import rule_scores
from models.experiment.experiment import Experiment
from models.training.training import train

Describe = Callable[..., Experiment]
RULE = ("evaluation.rule=vibration__maximum", "evaluation.top=2")


def test_a_model_is_shown_beside_the_rule(plant: History, describe: Describe) -> None:
    """Both are ranked on the same samples: vibration rises before these failures, and falls never help."""
    metrics = train(describe(*RULE), plant).evaluation.metrics
    assert metrics["top"] == 2
    assert metrics["false_positive_rate"] == 0.05
    for name in ("roc_auc", "roc_auc_within_assets", "recall_at_fpr", "recall_in_top", "precision_in_top"):
        assert 0.5 < metrics[name] <= 1 or name == "precision_in_top"
        assert 0 <= metrics[f"{name}_rule"] <= 1
    assert metrics["roc_auc_rule"] > 0.8
    low = train(describe(*RULE, "evaluation.rule_alarms=low"), plant).evaluation.metrics
    assert low["roc_auc_rule"] == pytest.approx(1 - metrics["roc_auc_rule"])
    assert low["roc_auc"] == metrics["roc_auc"]


def test_a_rule_looks_back_only(plant: History, describe: Describe) -> None:
    """Nothing known after a cut-off changes its score."""
    experiment = describe(*RULE)
    cut_offs = train(experiment, plant).evaluation.predictions[["asset", "as_of"]].iloc[:40]
    cut = plant.as_of(cut_offs["as_of"].max())
    np.testing.assert_array_equal(rule_scores(experiment, plant, cut_offs), rule_scores(experiment, cut, cut_offs))


@pytest.mark.parametrize(
    ("rule", "words"),
    [("vibratoin__maximum", "Did you mean 'vibration'"), ("vibration", "two underscores"), ("vibration__maxi", "maxi")],
)
def test_a_rule_that_is_none_is_refused(plant: History, describe: Describe, rule: str, words: str) -> None:
    """A channel that does not exist, or a feature, is named."""
    with pytest.raises(UsageError, match=words):
        train(describe(f"evaluation.rule={rule}"), plant)


def test_an_experiment_without_the_section_is_recorded_as_before(describe: Describe) -> None:
    """Models record their experiment: a section left at its defaults must not change that."""
    assert "evaluation" not in describe().to_dict()
    assert "budget" not in describe().to_dict()["alarms"]
    written = describe(*RULE, "alarms.budget='3 per week'")
    assert Experiment.from_json(written.to_json()) == written


def test_an_alarm_budget_decides_the_threshold(plant: History, describe: Describe) -> None:
    """The test raises about as many alarms as allowed or fewer, and the figures say how many."""
    trained = train(describe("alarms.budget='4 per week'"), plant)
    assert trained.threshold is not None
    assert "budget of 4 per week" in trained.threshold.reason
    metrics = trained.evaluation.metrics
    assert metrics["alarms"] <= 2 * metrics["alarms_allowed"]
    assert metrics["failures_caught_at_random"] < metrics["failures_caught"]
    with pytest.raises(UsageError, match=r"alarms\.budget is given"):
        describe("target=remaining_life", "alarms.budget='4 per week'")
