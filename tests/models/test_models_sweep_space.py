"""The space of a search: declared or the learner's own, and refused before any fit where it is wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from data_contracts.errors import UsageError
from models.experiment.experiment import Experiment
from models.experiment.sweep_plan import SweepPlan
from models.sweeps import suggestions
from models.sweeps.default_spaces import default_space
from models.sweeps.inner_data import refuse_unsearchable
from models.sweeps.search_metrics import metric_of
from models.sweeps.search_space import SearchSpace, search_space
from models.sweeps.suggestions import require_optuna, suggest
from models.sweeps.trials import Trial

Describe = Callable[..., Experiment]


def described(describe: Describe, space: str, *overrides: str) -> Experiment:
    return describe(f"sweep={{space={{{space}}}}}", *overrides)


@pytest.mark.parametrize(
    ("space", "found"),
    [
        ("'window'=['24h']", "Did you mean 'windows.window'"),
        ("'estimator.parms.num_leaves'=[3]", "estimator.parms.num_leaves is not known"),
        ("'estimator.params.num_leavs'=[3]", "Did you mean 'num_leaves'"),
        ("'label.horizon'=['24h']", "varies label.horizon"),
        ("'estimator.kind'=['logistic']", "varies estimator.kind"),
        ("'windows.window'=['24 hours']", "24 hours"),
        ("'windows.window'={low=3, high=24}", "a list of values"),
        ("'features.tsfresh'=[['men']]", "men"),
        ("'features.keep'={low=5, high=2}", "a number above low"),
        ("'features.keep'={low=0, high=2, log=true}", "a number above zero"),
        ("'features.keep'={low=1, high=2, lgo=true}", "lgo"),
        ("'features.keep'=[]", "features.keep"),
    ],
)
def test_a_mistake_in_the_space_is_named(describe: Describe, space: str, found: str) -> None:
    """An unknown key, a wrong value and a key that changes the question are wrong usage, found before any fit."""
    with pytest.raises(UsageError) as error:
        search_space(described(describe, space))
    assert found in str(error.value)


def test_every_learner_that_ships_a_space_takes_both_ends_of_it(describe: Describe) -> None:
    """The space of a learner without [sweep.space] can be searched as it is."""
    for kind, target in (
        ("lightgbm", "failure"),
        ("logistic", "failure"),
        ("ridge", "remaining_life"),
        ("random_forest", "failure"),
        ("extremely_randomized_trees", "remaining_life"),
        ("hist_gradient_boosting", "failure"),
    ):
        keys = [f"estimator.kind={kind}", "estimator.params={}", f"target={target}"]
        space = search_space(describe(*keys, *(["label.cap=100h"] if target == "remaining_life" else [])))
        assert all(key.startswith("estimator.params.") for key in space.ranges)


def test_a_parameter_is_searched_under_the_name_the_experiment_gives_it(describe: Describe) -> None:
    """LightGBM's two names of a parameter would contradict each other."""
    space = default_space(describe("estimator.params.colsample_bytree=0.5"))
    assert "estimator.params.colsample_bytree" in space
    assert "estimator.params.feature_fraction" not in space


def test_the_chosen_experiment_has_the_values_and_no_space(describe: Describe) -> None:
    """What is tried differs from the experiment in the keys of the space alone."""
    base = described(describe, "'windows.window'=['24h', ['24h', '48h']]")
    space = search_space(base)
    tried = space.apply({"windows.window": ["24h", "48h"], "estimator.params.num_leaves": 5})
    assert len(tried.windows.window) == 2
    assert tried.estimator.params == {"n_estimators": 30, "num_leaves": 5}
    assert tried.with_overrides(["windows.window=24h", "estimator.params.num_leaves=7"]) == replace(base, sweep=None)
    assert [own.windows.window for own in space.windows] == [base.windows.window, tried.windows.window]


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        (["split={kind='cross'}"], "tests every asset"),
        (["label.horizons=['24h', '48h']"], "several horizons"),
        (["target=anomaly", "estimator={kind='mahalanobis'}"], "anomaly"),
    ],
)
def test_an_experiment_without_a_test_or_a_single_score_is_refused(
    describe: Describe, overrides: list[str], found: str
) -> None:
    """No search could be kept from a test that is everywhere."""
    with pytest.raises(UsageError, match=found):
        refuse_unsearchable(describe(*overrides))


def test_the_metric_fits_target_and_calibration(describe: Describe) -> None:
    """Trials are judged before calibration, which probabilities need and rankings do not."""
    assert metric_of(describe()) == "brier"
    assert metric_of(describe("estimator.calibration=sigmoid")) == "pr_auc"
    assert metric_of(describe("target=remaining_life", "label.cap=9h")) == "rmse"
    with pytest.raises(UsageError, match="before they are calibrated"):
        metric_of(describe("estimator.calibration=sigmoid", "sweep={metric='brier'}"))
    with pytest.raises(UsageError, match="target failure"):
        metric_of(describe("sweep={metric='rmse'}"))


def test_an_experiment_without_a_plan_is_written_as_before(describe: Describe) -> None:
    """Registered models keep their experiment's text."""
    assert "sweep" not in describe().to_dict()
    planned = describe("sweep={folds=4}")
    assert planned.sweep == SweepPlan(folds=4)
    assert Experiment.from_json(planned.to_json()) == planned


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever did not install it learns how."""
    monkeypatch.setattr(suggestions, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"forewarn\[sweep\]"):
        require_optuna()


@pytest.fixture(scope="module")
def space(describe: Describe) -> SearchSpace:
    ranges = "'estimator.params.num_leaves'={low=3, high=60}, 'estimator.params.learning_rate'={low=0.01, high=0.3}"
    return search_space(described(describe, f"{ranges}, 'windows.window'=['24h', ['24h', '48h']]"))


def test_a_suggestion_depends_on_what_came_before_alone(space: SearchSpace) -> None:
    """Asked again after a kill, it is the same; with another seed, number or outcome it is another."""
    trials = [Trial(0, {}, "complete", (0.5, 0.4))]
    for number in range(1, 13):
        params = suggest(space, "brier", 3, number, trials, ())
        assert space.apply(params)
        trials.append(Trial(number, params, "complete", (params["estimator.params.learning_rate"],) * 2))
    asked = suggest(space, "brier", 3, 13, trials, ())
    assert suggest(space, "brier", 3, 13, [Trial.from_json(trial.to_json()) for trial in trials], ()) == asked
    assert suggest(space, "brier", 4, 13, trials, ()) != asked
    assert suggest(space, "brier", 3, 14, trials, ()) != asked
    assert suggest(space, "pr_auc", 3, 13, trials, ()) != asked
    assert suggest(space, "brier", 3, 13, trials[:12], [trials[12].params]) != asked


def test_suggestions_find_what_is_good(space: SearchSpace) -> None:
    """After forty trials of a score that falls with one number, the last suggestions are near its best."""
    trials = []
    for number in range(1, 41):
        params = suggest(space, "brier", 0, number, trials, ())
        score = (params["estimator.params.learning_rate"] - 0.2) ** 2
        trials.append(Trial(number, params, "complete", (score, score)))
    late = [abs(trial.params["estimator.params.learning_rate"] - 0.2) for trial in trials[-10:]]
    early = [abs(trial.params["estimator.params.learning_rate"] - 0.2) for trial in trials[:10]]
    assert sum(late) < sum(early) / 2
    shares = suggestions.parameter_importances(space, "brier", trials)
    assert max(shares, key=lambda key: shares[key]) == "estimator.params.learning_rate"
