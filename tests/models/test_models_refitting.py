"""Refits: a judged model fitted once more to all that is known, and how far both agree."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.tables.history import History
from models.experiment.experiment import Experiment
from models.outcomes.outcomes import Terms
from models.refitting.agreement import FEWEST_EPISODES, Agreement, RefitAgreement, agreement
from models.refitting.refit import Judged, Refitted, refit
from models.refitting.tags import refit_of
from models.training.training import train
from tests.models.conftest import HOUR, at

TERMS = Terms(lead=0 * HOUR, horizon=48 * HOUR, gap=12 * HOUR, reporting_delay=6 * HOUR)
NOW = at(55)
# Failures of an asset change no feature of its own.
PLAIN = ("features.ages=false", "features.events=false")


def _judge(experiment: Experiment, history: History) -> Judged:
    trained = train(experiment, history, known_until=NOW)
    return Judged(2, trained.artifact, experiment, trained.trained_until, trained.evaluation.reference)


@pytest.fixture(scope="module")
def judged(describe: Callable[..., Experiment], plant: History) -> Judged:
    return _judge(describe(*PLAIN), plant)


@pytest.fixture(scope="module")
def refitted(judged: Judged, plant: History) -> Refitted:
    return refit(judged, plant, known_until=NOW)


def test_all_that_is_known_is_learned_and_nothing_is_chosen_again(judged: Judged, refitted: Refitted) -> None:
    """The last training cut-off is the last whose outcome is known; all but the estimator is the judged model's."""
    trained, terms = refitted.trained, TERMS
    assert trained.trained_until == (NOW - terms.maturity).floor("6h")
    assert trained.artifact.stored != judged.artifact.stored
    for name in ("recipe", "threshold", "calibration", "lead", "horizon"):
        assert getattr(trained.artifact, name) == getattr(judged.artifact, name)
    assert trained.evaluation.reference == judged.promised
    assert (trained.evaluation.metrics, trained.n_test) == ({}, 0)
    assert refit_of(trained.tags) == 2
    assert trained.golden is not None
    trained.golden.verify(trained.artifact, "the refit")


def test_nothing_known_later_is_used(judged: Judged, refitted: Refitted, plant: History) -> None:
    """Whatever becomes known after the refit changes neither the model nor a prediction."""
    again = refit(judged, plant.as_of(NOW), known_until=NOW)
    assert again.trained.artifact.digest == refitted.trained.artifact.digest
    for name in ("judged", "unseen", "refit"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(refitted, name))
    assert refitted.refit["as_of"].max() <= NOW


def test_a_recent_outcome_of_an_asset_does_not_speak_for_itself(
    judged: Judged, refitted: Refitted, plant: History
) -> None:
    """Recent cut-offs are predicted without the recent outcomes of their own asset, by fits that know those of others.

    So without the recent failures of one asset its own predictions stay, bit for bit, and others' change. The refit
    itself has learned from them.
    """
    recent = (plant.failures["asset"] == "m03") & (plant.failures["event_time"] > judged.trained_until)
    assert recent.any()
    other = refit(judged, replace(plant, failures=plant.failures[~recent].reset_index(drop=True)), known_until=NOW)
    both = refitted.unseen.merge(other.unseen, on=["asset", "as_of"], suffixes=("", "_other"))
    both = both[both["as_of"] <= other.trained.trained_until]
    own = both["asset"] == "m03"
    assert len(both[own]) > 20
    assert (both.loc[own, "prediction"] == both.loc[own, "prediction_other"]).all()
    assert (both.loc[~own, "prediction"] != both.loc[~own, "prediction_other"]).any()
    itself = refitted.refit.merge(other.refit, on=["asset", "as_of"], suffixes=("", "_other"))
    itself = itself[itself["asset"] == "m03"]
    assert (itself["prediction"] != itself["prediction_other"]).any()


def test_the_three_predict_the_same_cut_offs(refitted: Refitted, judged: Judged) -> None:
    """All recent cut-offs are predicted by all; on the newest the refit stands for itself."""
    keys = ["asset", "as_of"]
    assert refitted.judged[keys].equals(refitted.unseen[keys])
    assert refitted.judged[keys].equals(refitted.refit[keys])
    assert refitted.judged["as_of"].min() > judged.trained_until
    newest = refitted.refit["as_of"] > refitted.trained.trained_until
    assert newest.any()
    assert refitted.unseen.loc[newest, "prediction"].equals(refitted.refit.loc[newest, "prediction"])
    assert refitted.unseen["prediction"].notna().all()
    measured = refitted.agreement(TERMS)
    assert measured.unseen.cut_offs == len(refitted.judged)
    assert measured.learned.cut_offs == (~newest).sum()
    assert RefitAgreement.from_dict(measured.to_dict()) == measured


def test_models_of_several_horizons_are_refitted(describe: Callable[..., Experiment], plant: History) -> None:
    """All intervals between the horizons are learned, with the calibrations of the judged model."""
    judged = _judge(describe(*PLAIN, "label.horizons=['24h', '48h']", "estimator.calibration=sigmoid"), plant)
    again = refit(judged, plant, known_until=NOW).trained.artifact
    assert again.horizons == judged.artifact.horizons
    assert again.calibrations == judged.artifact.calibrations
    assert again.stored != judged.artifact.stored


def test_on_the_same_data_both_are_the_same(describe: Callable[..., Experiment], plant: History) -> None:
    """A refit to what was known when the judged model's training ended is that model, bit for bit."""
    experiment = describe(*PLAIN)
    judged = _judge(experiment, plant)
    again = refit(judged, plant, known_until=pd.Timestamp(str(experiment.split.test_start)), folds=0)
    assert again.trained.artifact.stored == judged.artifact.stored


ALERTS = st.lists(st.booleans(), min_size=30, max_size=30)


def _predictions(alerts: list[bool]) -> pd.DataFrame:
    times = [at(number / 4) for number in range(10)]
    grid = pd.MultiIndex.from_product([["a", "b", "c"], times], names=["asset", "as_of"]).to_frame(index=False)
    return grid.assign(prediction=np.where(alerts, 0.8, 0.1), alert=alerts)


@settings(max_examples=40)
@given(ALERTS, ALERTS)
def test_dropped_and_added_change_places(first: list[bool], second: list[bool]) -> None:
    """What one drops the other adds; a model agrees with itself; the order of the rows does not matter."""
    one, other = _predictions(first), _predictions(second)
    there, back = agreement(one, other, TERMS), agreement(other, one, TERMS)
    assert (there.dropped, there.added, there.differ) == (back.added, back.dropped, back.differ)
    assert (there.episodes, there.refit_episodes) == (back.refit_episodes, back.episodes)
    assert 0 <= there.dropped <= there.episodes
    itself = agreement(one, one, TERMS)
    assert (itself.differ, itself.dropped, itself.added, itself.largest_difference) == (0, 0, 0, 0.0)
    order = np.random.default_rng(0).permutation(len(one))
    shuffled = agreement(one.iloc[order], other.iloc[order], TERMS)
    assert shuffled.rank_correlation == pytest.approx(there.rank_correlation)
    assert replace(shuffled, rank_correlation=None) == replace(there, rank_correlation=None)


@settings(max_examples=20)
@given(ALERTS)
def test_without_alerts_every_episode_is_dropped(alerts: list[bool]) -> None:
    """A refit that never alerts drops all episodes and adds none."""
    silent = agreement(_predictions(alerts), _predictions([False] * 30), TERMS)
    assert (silent.dropped, silent.added, silent.refit_episodes) == (silent.episodes, 0, 0)


def _measured(**changes: Any) -> Agreement:
    usual = Agreement(100, 3, 20, 1, 21, 2, 0.8, 0.4, 1.05)
    return replace(usual, **changes)


@pytest.mark.parametrize(
    ("unseen", "learned", "agrees"),
    [
        ({}, {}, True),
        ({"dropped": 7}, {}, False),
        ({"added": 7}, {}, False),
        ({}, {"added": 7}, False),
        ({"ratio": 1.31}, {}, False),
        ({}, {"ratio": 0.69}, False),
        ({"ratio": None}, {"ratio": None}, True),
        ({"episodes": FEWEST_EPISODES - 1, "dropped": 0, "added": 0}, {}, False),
        ({}, {"episodes": FEWEST_EPISODES - 1, "dropped": 0, "added": 0}, False),
    ],
)
def test_the_limit_holds_for_all_shares(unseen: dict[str, Any], learned: dict[str, Any], agrees: bool) -> None:
    """Episodes dropped, episodes added and the sum of predictions, in both comparisons; too few tell nothing."""
    verdict = RefitAgreement(_measured(**unseen), _measured(**learned)).check(0.3)
    assert verdict.agrees is agrees
    assert ("within" in verdict.sentences[-1]) is agrees
