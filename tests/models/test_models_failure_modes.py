"""Failure modes: labels, the mode model, incidences that add up, figures, training, and the artifact."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from models.artifact.artifact import Artifact
from models.experiment.experiment import Experiment
from models.failure_modes.fit_modes import fit_mode_model, modes_to_tell_apart
from models.failure_modes.mode_figures import mode_figures
from models.failure_modes.mode_labels import OTHER, ModeLabels, mode_labels
from models.failure_modes.mode_model import ModeModel, mode_incidence
from models.labels.labels import failure_labels
from models.training.training import Trained, train

START = pd.Timestamp("2026-01-01T00:00Z").as_unit("us")
HOUR, DAY = pd.Timedelta("1h"), pd.Timedelta("1D")
NO_WORK = pd.DataFrame(columns=["work_order_id", "asset", "event_time", "known_time", "kind", "finding", "prompted_by"])
BREAKDOWN = pd.Timedelta("12h")


def at(day: float) -> pd.Timestamp:
    return START + day * DAY


def booked(*rows: tuple[str, float, str | None]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["asset", "day", "mode"])
    times = pd.Series([at(day) for day in frame["day"]], dtype="datetime64[us, UTC]")
    ids = [f"f{number}" for number in range(len(frame))]
    return frame.drop(columns="day").assign(failure_id=ids, event_time=times, known_time=times)


def labelled(failures: pd.DataFrame, *days: float, work: pd.DataFrame = NO_WORK, until: float = 60) -> ModeLabels:
    cut_offs = pd.DataFrame({"asset": "m1", "as_of": [at(day) for day in days]})
    span = {"lead": 0 * DAY, "horizon": 2 * DAY, "known_until": at(until), "breakdown": BREAKDOWN}
    return mode_labels(cut_offs, failures, work, **span)


def test_the_first_failure_in_the_horizon_gives_the_mode() -> None:
    """A failure at the cut-off itself is over, one at the end of the horizon counts, and other assets do not."""
    failures = booked(("m1", 1, "seal"), ("m1", 3, "bearing"), ("m2", 1.5, "drive"))
    assert labelled(failures, 0, 1, 0.9, 3).modes == (("seal",), ("bearing",), ("seal",), ())


def test_of_a_breakdown_the_first_bookings_that_name_a_mode_count() -> None:
    """The controller books without a mode, the mechanic an hour later with one; two at one time count in halves."""
    failures = booked(("m1", 1, None), ("m1", 1.1, "seal"), ("m1", 1.1, "drive"), ("m1", 1.2, "bearing"))
    labels = labelled(failures, 0)
    assert labels.modes == (("drive", "seal"),)
    assert labels.shares(("drive", "seal")).tolist() == [[0.5, 0.5]]
    assert labels.shares(("seal", OTHER)).tolist() == [[0.5, 0.5]]


def test_a_mode_that_is_known_later_labels_nothing() -> None:
    """Deleting what is known after the time changes no label."""
    failures = booked(("m1", 1, "seal")).assign(known_time=at(5))
    assert labelled(failures, 0, until=4).modes == ((),)
    assert labelled(failures, 0, until=5).modes == (("seal",),)


def test_a_confirmed_defect_gives_its_component() -> None:
    """An intervention that confirmed a defect counts where no failure followed."""
    work = pd.DataFrame(
        {
            "work_order_id": ["w1"],
            "asset": ["m1"],
            "event_time": [at(1)],
            "known_time": [at(1)],
            "kind": ["inspection"],
            "component": ["drive"],
            "finding": ["defect_confirmed"],
            "prompted_by": ["alarm"],
        }
    )
    assert labelled(booked(("m2", 1, "seal")), 0, 1, work=work).modes == (("drive",), ())


@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["a", "b", None])), max_size=8), st.integers(0, 40))
def test_labels_of_modes_agree_with_those_of_failures(rows: list[tuple[int, str | None]], day: int) -> None:
    """A cut-off has a mode only if it is labelled as failing, and then its failure or breakdown names that mode."""
    failures = booked(*(("m1", number / 2, mode) for number, mode in rows))
    labels = labelled(failures, day / 2)
    cut_offs = pd.DataFrame({"asset": "m1", "as_of": [at(day / 2)]})
    state = failure_labels(
        cut_offs, failures, NO_WORK, lead=0 * DAY, horizon=2 * DAY, known_until=at(60), breakdown=BREAKDOWN
    )
    if labels.modes[0]:
        assert state[0] == "positive"
        assert set(labels.modes[0]) <= {mode for _, mode in rows}
    elif state[0] == "positive":
        assert any(mode is None for _, mode in rows)


def test_rare_modes_are_taken_together() -> None:
    """Only a mode with enough failures stands alone, and one class alone is nothing to tell apart."""
    labels = ModeLabels(np.arange(5), (("a",), ("a",), ("b",), ("c",), ("a",)))
    assert modes_to_tell_apart(labels, 1) == ("a", "b", "c")
    assert modes_to_tell_apart(labels, 2) == ("a", OTHER)
    assert modes_to_tell_apart(labels, 4) == ()


def separable(n: int = 60) -> tuple[np.ndarray, ModeLabels, list[str]]:
    """Failures whose mode the sign of the first feature tells."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 4))
    x[rng.random(x.shape) < 0.05] = np.nan
    modes = tuple(("up",) if value > 0 else ("down",) for value in np.nan_to_num(x[:, 0]))
    return x, ModeLabels(np.arange(n), modes), [f"m{number % 10}" for number in range(n)]


def fitted() -> ModeModel:
    x, labels, assets = separable()
    model = fit_mode_model(x, labels, assets, min_failures=5, seed=1)
    assert model is not None
    return model


def test_a_fit_learns_what_announces_a_mode_and_nothing_from_noise() -> None:
    """Where features tell the mode it is found; where they do not, the shares of the modes are left."""
    x, labels, assets = separable()
    given_failure = fitted().given_failure(np.array([[2.0, 0, 0, 0], [-2.0, 0, 0, 0]]))
    assert given_failure[0, 1] > 0.9
    assert given_failure[1, 0] > 0.9
    shuffled = np.random.default_rng(5).permutation(x)
    noise = fit_mode_model(shuffled, labels, assets, min_failures=5, seed=1)
    assert noise is not None
    assert noise.penalty > fitted().penalty
    share = noise.failures[0] / sum(noise.failures)
    assert noise.given_failure(x)[:, 0] == pytest.approx(share, abs=0.25)


def test_the_number_of_cut_offs_before_a_failure_does_not_matter() -> None:
    """A failure counts once, however many cut-offs it follows."""
    x, labels, assets = separable()
    again = np.concatenate([np.arange(60), np.repeat(np.arange(30), 3)])
    repeated = ModeLabels(labels.event[again], tuple(labels.modes[row] for row in again))
    once = fit_mode_model(x, labels, assets, min_failures=5, seed=1)
    more = fit_mode_model(x[again], repeated, [assets[row] for row in again], min_failures=5, seed=1)
    assert once is not None
    assert more is not None
    assert more.failures == once.failures
    assert more.given_failure(x) == pytest.approx(once.given_failure(x), abs=1e-3)


def test_the_fit_is_the_minimum_of_the_penalised_loss() -> None:
    """At the solution the slope is zero, as the same loss differentiated numerically shows."""
    x, labels, _ = separable()
    model = fitted()
    shares = labels.shares(model.modes)

    def loss(change: float, mode: int, feature: int) -> float:
        own = np.array(model.coefficients)
        own[mode, feature] += change
        changed = replace(model, coefficients=tuple(map(tuple, own.tolist())))
        return float(-(shares * np.log(changed.given_failure(x))).sum() + model.penalty * (own**2).sum() / 2)

    for mode, feature in ((0, 0), (1, 2)):
        slope = (loss(1e-5, mode, feature) - loss(-1e-5, mode, feature)) / 2e-5
        assert slope == pytest.approx(0.0, abs=0.02)


def test_a_row_alone_gets_the_same_bits() -> None:
    """The endpoint asks for one asset, a batch for all."""
    x, _, _ = separable()
    model = ModeModel.from_dict(fitted().to_dict())
    assert model == fitted()
    among = model.given_failure(x)
    for row in range(len(x)):
        assert model.given_failure(x[[row]])[0].tobytes() == among[row].tobytes()


@given(
    arrays.arrays(np.float64, (3, 4), elements=st.floats(0, 1)),
    arrays.arrays(np.float64, (3, 4, 3), elements=st.floats(0.001, 1)),
)
def test_modes_add_up_to_the_failure_and_never_fall(hazards: np.ndarray, weights: np.ndarray) -> None:
    """At every horizon the modes add up to the probability of a failure, and each grows with the horizon."""
    failed_by = 1.0 - np.cumprod(1.0 - hazards, axis=1)
    incidence = mode_incidence(weights / weights.sum(axis=2, keepdims=True), failed_by)
    assert incidence.sum(axis=2) == pytest.approx(failed_by, abs=1e-12)
    assert (np.diff(incidence, axis=1) >= 0).all()


def test_figures_by_hand() -> None:
    """Two samples fail by a, one by b, two by nothing; the failure of b is taken for one of a."""
    labels = ModeLabels(np.array([0, 0, 1, -1, -1]), (("a",), ("a",), ("b",), (), ()))
    values = pd.DataFrame({"a": [0.8, 0.6, 0.5, 0.1, 0.1], "b": [0.1, 0.1, 0.3, 0.2, 0.4]})
    failed = np.array([True, True, True, False, False])
    figures = mode_figures(values, labels, failed=failed, trained={"a": 12, "b": 10})
    a, b = figures.modes
    assert (a.average_precision, b.average_precision) == (1.0, 0.5)
    assert (a.predicted_as, b.predicted_as) == ((1.0, 0.0), (1.0, 0.0))
    assert (a.observed, b.observed, a.base_rate) == (2.0, 1.0, 0.4)
    assert a.expected == pytest.approx(2.1)
    assert figures.metrics["mode_accuracy"] == 0.5
    assert figures.metrics["mode_average_precision"] == 0.75


MODES = ("modes.predicted=true", "modes.min_failures=3")


@pytest.fixture(scope="module")
def two_modes(plant: History) -> History:
    """Take the small plant, where every second failure is announced by the voltage too, and is one of the drive."""
    failures = plant.failures.sort_values("event_time", ignore_index=True)
    failures["mode"] = np.where(failures.index % 2, "drive", "bearing")
    telemetry = plant.telemetry.copy()
    for row in failures[failures["mode"] == "drive"].itertuples():
        before = telemetry["asset"].eq(row.asset) & telemetry["event_time"].between(
            row.event_time - 50 * HOUR, row.event_time
        )
        telemetry.loc[before, "volt"] += 25.0
    return replace(plant, failures=failures, telemetry=telemetry)


@pytest.fixture(scope="module")
def trained(two_modes: History, describe: Callable[..., Experiment]) -> Trained:
    return train(describe(*MODES), two_modes)


def test_without_modes_nothing_changes_and_with_them_the_failure_does_not(
    trained: Trained, two_modes: History, describe: Callable[..., Experiment]
) -> None:
    """The mode model stands beside the failure model: its predictions, threshold and trees are the same bits."""
    plain = train(describe(), two_modes)
    assert plain.artifact.modes is None
    assert "modes" not in plain.experiment.to_dict()
    assert trained.predictions_digest == plain.predictions_digest
    assert replace(trained.artifact, modes=None).digest == plain.artifact.digest
    assert train(describe(*MODES), two_modes).artifact.digest == trained.artifact.digest


def test_a_training_tells_the_modes_apart(trained: Trained) -> None:
    """What announces a mode is learned, and the figures say so."""
    figures = trained.evaluation.modes
    assert figures is not None
    assert [each.mode for each in figures.modes] == ["bearing", "drive"]
    assert trained.evaluation.metrics["mode_accuracy"] > 0.85
    assert all(each.average_precision > 4 * each.base_rate for each in figures.modes)
    assert sum(each.expected for each in figures.modes) == pytest.approx(
        sum(each.observed for each in figures.modes), rel=0.5
    )


def test_an_artifact_keeps_its_mode_model(trained: Trained, tmp_path: Path) -> None:
    """Saved and opened it gives the same modes, which add up to the prediction of a failure."""
    assert trained.golden is not None
    features = trained.golden.features
    opened = Artifact.load(trained.artifact.save(tmp_path / "artifact"), digest=trained.artifact.digest)
    probabilities = opened.predict_horizons(features)
    modes = opened.predict_modes(features, probabilities)
    assert modes.tobytes() == trained.artifact.predict_modes(features, probabilities).tobytes()
    assert modes.sum(axis=2) == pytest.approx(probabilities, abs=1e-12)


def test_several_horizons_give_cumulative_incidences(two_modes: History, describe: Callable[..., Experiment]) -> None:
    """With cause-specific hazards each mode grows with the horizon, and all add up to the failure at each."""
    described = describe(*MODES, 'label.horizons=["12h", "48h"]')
    trained = train(described, two_modes)
    assert trained.golden is not None
    probabilities = trained.artifact.predict_horizons(trained.golden.features)
    modes = trained.artifact.predict_modes(trained.golden.features, probabilities)
    assert modes.shape == (len(probabilities), 2, 2)
    assert modes.sum(axis=2) == pytest.approx(probabilities, abs=1e-12)
    assert (np.diff(modes, axis=1) >= 0).all()


def test_a_test_mode_never_reaches_the_fit(trained: Trained, two_modes: History) -> None:
    """Renaming the modes of the test period's failures changes no bit of the model."""
    failures = two_modes.failures.copy()
    failures.loc[failures["known_time"] > pd.Timestamp("2026-02-10", tz="UTC"), "mode"] = "new"
    renamed = train(trained.experiment, replace(two_modes, failures=failures))
    assert renamed.artifact.digest == trained.artifact.digest


def test_too_few_modes_are_no_modes(plant: History, describe: Callable[..., Experiment]) -> None:
    """One mode alone is nothing to tell apart."""
    trained = train(describe(*MODES), plant)
    assert trained.artifact.modes is None
    assert trained.evaluation.modes is None


def test_only_failures_have_modes(describe: Callable[..., Experiment]) -> None:
    """For another target the key is refused, with what to do."""
    with pytest.raises(UsageError, match="modes"):
        describe("target=remaining_life", *MODES)
