"""Registered versions side by side on the samples they share: figures, paired intervals, what is refused."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data_contracts.errors import ModelError, UsageError
from data_contracts.tables.history import History
from models.assessment.bootstrap_intervals import asset_draws, pr_auc_draws, roc_auc_draws
from models.comparisons.compared_version import ComparedVersion
from models.comparisons.comparison import VersionComparison, compare_versions
from models.comparisons.figures import KINDS
from models.comparisons.paired import differences
from models.comparisons.settings_changes import SettingChange
from models.comparisons.shared_samples import share_samples
from models.experiment.experiment import Experiment
from models.registry.registration.run_record import version_tags
from models.registry.revision import Revision
from models.training.training import Trained, train

Describe = Callable[..., Experiment]
HOUR = pd.Timedelta("1h")


def compared(trained: Trained, version: int) -> ComparedVersion:
    """Return a trained model as it would be read from the registry."""
    return ComparedVersion(
        name="small-plant",
        version=version,
        experiment=trained.experiment,
        threshold=trained.artifact.threshold,
        columns=tuple(trained.artifact.columns),
        tags=version_tags(trained, Revision("abc", "0123")),
        predictions=trained.evaluation.predictions,
    )


@pytest.fixture(scope="module")
def trained(plant: History, describe: Describe) -> Trained:
    return train(describe(), plant)


@pytest.fixture(scope="module")
def other(plant: History, describe: Describe) -> Trained:
    return train(describe("estimator.params={n_estimators=5}", "windows.window=48h", "windows.stride=12h"), plant)


@pytest.fixture(scope="module")
def comparison(trained: Trained, other: Trained, plant: History) -> VersionComparison:
    return compare_versions([compared(trained, 1), compared(other, 2)], plant)


def test_a_version_compared_with_itself_has_the_figures_of_its_evaluation(trained: Trained, plant: History) -> None:
    """On its whole test a version has the figures it was registered with, and differs from itself by nothing."""
    result = compare_versions([compared(trained, 1), compared(trained, 2)], plant)
    metrics, own = trained.evaluation.metrics, result.versions[1]
    for name in ("pr_auc", "roc_auc", "f1", "brier", "expected_cost", "false_alarms_per_asset_month"):
        assert own.figures[name] == pytest.approx(metrics[name], rel=1e-12), name
    assert (own.caught, own.failures) == (metrics["failures_caught"], metrics["failures_total"])
    assert own.false_alarms == metrics["false_alarms"]
    assert own.lead_time_h == pytest.approx([metrics[f"lead_time_h_p{q}"] for q in (10, 50, 90)])
    assert np.array_equal(np.sort(own.lead_times_h), np.sort(trained.evaluation.lead_times_h))
    assert own.calibration is not None
    assert own.calibration.slope == pytest.approx(metrics["calibration_slope"])
    assert {(each.value, each.verdict) for each in own.differences} == {(0.0, "undecided")}
    assert result.changes == ()


def test_only_samples_of_the_same_asset_and_cut_off_are_compared(comparison: VersionComparison) -> None:
    """Of a version with twice as many cut-offs only those of the other count, and the rest is said."""
    first, second = comparison.versions
    assert second.tested == comparison.samples < first.tested
    assert SettingChange("experiment", "windows.stride", ("6h", "12h")) in comparison.changes
    assert second.columns is not None
    assert second.columns.count > 0
    assert {len(each.warned_h) for each in comparison.failures} == {2}
    assert sum(not np.isnan(each.warned_h[0]) for each in comparison.failures) == len(first.lead_times_h)


def test_no_shared_sample_is_refused(trained: Trained) -> None:
    """Without a shared sample there is nothing to compare, and the error says what each was tested on."""
    later = replace(
        compared(trained, 2), predictions=trained.evaluation.predictions.assign(as_of=lambda rows: rows["as_of"] + HOUR)
    )
    with pytest.raises(ModelError, match=r"small-plant 1: [\d,]+ of 8 assets"):
        share_samples([compared(trained, 1), later])


def test_versions_that_predict_different_things_are_refused(trained: Trained, describe: Describe) -> None:
    """A figure of one horizon is no match for that of another."""
    day = replace(compared(trained, 2), experiment=describe("label.horizon=24h"))
    with pytest.raises(UsageError, match=r"within 48h from 0h on.*within 24h"):
        share_samples([compared(trained, 1), day])


def test_the_outcome_counts_that_the_version_knew_that_knew_most(trained: Trained) -> None:
    """All versions face the same truth, and how many outcomes that changed is counted."""
    rows = trained.evaluation.predictions
    early = rows.assign(state=rows["state"].where(rows.index != rows.index[0], "censored"))
    old = compared(trained, 1)
    old = replace(old, predictions=early, tags={**old.tags, "known_until": "2026-01-01T00:00:00+00:00"})
    shared = share_samples([old, compared(trained, 2)])
    assert shared.relabelled == 1
    assert "censored" not in set(shared.samples["state"]) - set(rows["state"])


def test_drawn_areas_are_those_of_repeated_samples() -> None:
    """A draw that has an asset twice gives the areas of its samples written twice, ties included."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(0)
    code = np.repeat(np.arange(6), 20)
    truth, score = rng.random(120) < 0.3, rng.integers(0, 15, 120) / 15
    draws = asset_draws(6, 5)
    for draw, pr_auc, roc_auc in zip(
        draws, pr_auc_draws(code, truth, score, draws), roc_auc_draws(code, truth, score, draws), strict=True
    ):
        rows = np.repeat(np.arange(120), draw[code].astype(int))
        assert pr_auc == pytest.approx(average_precision_score(truth[rows], score[rows]))
        assert roc_auc == pytest.approx(roc_auc_score(truth[rows], score[rows]))


def test_better_is_said_only_of_an_interval_without_zero() -> None:
    """Two models whose errors differ by chance are undecided; one that is worse on every asset is found."""
    rng = np.random.default_rng(1)
    first, alike, n = rng.random(40), rng.random(40), 40

    def mean(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        return lambda draws: draws @ values / draws.sum(axis=1)

    def verdict(own: np.ndarray, informative: int = n) -> tuple[str, bool]:
        (each,) = differences(
            {"rmse": mean(own)}, {"rmse": mean(first)}, n_assets=n, informative=informative, confidence=0.95
        )
        return each.verdict, each.low <= 0 <= each.high

    assert not KINDS["rmse"].higher_is_better
    assert verdict(alike) == ("undecided", True)
    assert verdict(first + 0.2) == ("worse", False)
    assert verdict(first - 0.2) == ("better", False)
    assert verdict(first - 0.2, informative=1)[0] == "undecided"


def test_intervals_of_differences_hold_the_truth_as_often_as_they_say() -> None:
    """Of many pairs of models that are alike, 95 % intervals leave out the zero about one time in twenty."""
    rng, wrong = np.random.default_rng(2), 0
    for _ in range(200):
        asset = rng.normal(0, 1, 30)
        one, two = (asset + rng.normal(0, 0.5, 30) for _ in range(2))
        (each,) = differences(
            {"mae": lambda draws, own=one: draws @ own / 30},
            {"mae": lambda draws, own=two: draws @ own / 30},
            n_assets=30,
            informative=30,
            confidence=0.95,
        )
        wrong += each.verdict != "undecided"
    assert wrong <= 20


@pytest.mark.parametrize("target", ["remaining_life"])
def test_predicted_numbers_are_compared_up_to_the_smallest_cap(target: str, plant: History, describe: Describe) -> None:
    """A version with a larger cap is not punished for what the other cannot say."""
    versions = []
    for number, cap in enumerate(("120h", "240h"), start=1):
        experiment = describe(f"target={target}", f"label.cap={cap}", "split.score_at=all")
        versions.append(compared(train(experiment, plant), number))
    result = compare_versions(versions, plant)
    assert set(result.versions[0].figures) == {"rmse", "mae"}
    rows = versions[1].predictions
    rows = rows[rows["remaining_life_h"].notna()]
    error = rows["prediction"].clip(upper=120.0) - rows["remaining_life_h"].clip(upper=120.0)
    assert result.versions[1].figures["mae"] == pytest.approx(error.abs().mean())
    assert result.versions[0].failures is None
