"""Detectors learned from healthy operation, and their blocked limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from data_contracts.errors import ModelError, UsageError
from models.anomalies.anomaly_model import AnomalyModel, fit_anomalies, left_out_counts, names_left_out
from models.anomalies.blocks import block_numbers, held_out_blocks
from models.anomalies.detector_names import ENSEMBLE, SINGLE
from models.anomalies.detectors import KINDS, members
from models.anomalies.isolation_forest import fit_isolation_forest
from models.anomalies.limits import blocked_limit, chance_of_block, running_median
from models.anomalies.quadratic import fit_mahalanobis, fit_principal_components
from models.anomalies.screening import screen
from models.anomalies.trimming import trim

DETECTORS = [*SINGLE, ENSEMBLE]


def healthy(n=400, seed=0):
    """Six related columns of noise with times a second apart."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, 6)) @ (np.eye(6) + 0.4)
    return mixed * [1, 10, 0.1, 1, 5, 100] + [0, 50, 3, -2, 1, 1000], np.arange(n, dtype=float)


def test_the_names_are_those_of_the_detectors():
    """Names that need no library say what there is."""
    assert tuple(KINDS) == SINGLE


@given(st.integers(30, 300), st.floats(0, 40), st.integers(2, 8))
def test_no_row_is_fitted_to_within_the_purge_of_a_held_out_one(n, purge, blocks):
    """Rows nearer than the purge to the held-out block are fitted to by nobody, and each row is held out once."""
    times = np.arange(n, dtype=float)
    held = np.zeros(n, dtype=int)
    for fitted, out in held_out_blocks(times, purge, blocks):
        held += out
        assert not (fitted & out).any()
        assert np.abs(times[fitted][:, None] - times[out][None, :]).min() > purge
    assert held.max() <= 1
    if purge < n / blocks / 2:
        assert held.min() == 1


def test_blocks_are_of_equal_length_in_time_not_in_rows():
    """An outage makes a block smaller, not longer."""
    times = np.concatenate([np.arange(50.0), np.arange(90.0, 101.0)])
    numbers = block_numbers(times, 5)
    assert times[numbers == 0].max() < 20
    assert times[numbers == 4].min() >= 80


@pytest.mark.parametrize("kind", DETECTORS)
def test_a_stored_detector_scores_the_same_bit_for_bit(kind):
    """What is read back gives the same scores, and contributions, as what was stored."""
    x, times = healthy()
    model = fit_anomalies(x, times, detector=kind, purge=10.0).model
    again = AnomalyModel.from_bytes(model.to_bytes())
    np.testing.assert_array_equal(again.scores(x), model.scores(x))
    np.testing.assert_array_equal(again.contributions(x[:5]), model.contributions(x[:5]))
    assert again.to_bytes() == model.to_bytes()


@pytest.mark.parametrize("kind", DETECTORS)
def test_a_row_scores_the_same_alone_or_among_others(kind):
    """Batch and online are equal, bit for bit."""
    x, times = healthy(200)
    model = fit_anomalies(x, times, detector=kind, purge=10.0).model
    alone = np.concatenate([model.scores(row[None]) for row in x[:40]])
    np.testing.assert_array_equal(alone, model.scores(x)[:40])


@pytest.mark.parametrize("kind", DETECTORS)
def test_fitting_twice_gives_the_same_model(kind):
    """The same rows and seed give the same bytes."""
    x, times = healthy(200)
    first, second = (fit_anomalies(x, times, detector=kind, purge=10.0, seed=3).model for _ in range(2))
    assert first.to_bytes() == second.to_bytes()


@pytest.mark.parametrize("kind", ["mahalanobis", "principal_components"])
def test_a_broken_relation_scores_higher_and_names_its_column(kind):
    """A column that leaves the others is what contributes most to a score near one."""
    x, times = healthy()
    model = fit_anomalies(x, times, detector=kind, purge=10.0).model
    odd = np.median(x, axis=0)[None].repeat(2, axis=0)
    odd[1, 3] += 12 * x[:, 3].std()
    usual, unusual = model.scores(odd)
    assert usual < 0.3
    assert unusual > 0.5
    shares = model.contributions(odd)[1]
    assert shares.argmax() == 3
    assert shares.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["isolation_forest", ENSEMBLE])
def test_rows_that_are_odd_in_most_columns_score_high_in_every_detector(kind):
    """A forest hardly sees one odd column of six (a tree rarely asks for it early); it does see several."""
    x, times = healthy()
    model = fit_anomalies(x, times, detector=kind, purge=10.0).model
    odd = np.median(x, axis=0)[None] + 12 * x.std(axis=0) * [1, 1, 1, 1, 0, 0]
    assert model.scores(odd)[0] > 2 * model.scores(np.median(x, axis=0)[None])[0]
    assert model.contributions(odd)[0, :4].sum() > 0.6


def test_quadratic_contributions_are_what_the_form_loses_when_the_column_fits_the_others():
    """Contribution i is the fall of the squared distance at its best value of column i (brute force)."""
    x, _ = healthy()
    z = (x - x.mean(0)) / x.std(0)
    for form in (fit_mahalanobis(z), fit_principal_components(z)):
        row = z[:1] + 1.5
        own = form.contributions(row)[0]
        before = form.scores(row)[0] ** 2 * z.shape[1]
        for column in range(z.shape[1]):
            tried = row.repeat(4001, axis=0)
            tried[:, column] = np.linspace(row[0, column] - 20, row[0, column] + 20, 4001)
            after = (form.scores(tried) ** 2 * z.shape[1]).min()
            assert own[column] == pytest.approx(before - after, abs=0.02 * before + 0.02)


def test_the_forest_scores_as_the_learner_it_was_fitted_by():
    """Parity with scikit-learn's own scores."""
    x, _ = healthy(300)
    own = fit_isolation_forest(x, 7).scores(x)
    theirs = -IsolationForest(n_estimators=100, random_state=7).fit(x).score_samples(x)
    np.testing.assert_allclose(own, theirs, rtol=1e-6)


def test_columns_that_say_nothing_or_drift_are_left_out_and_named():
    """Constant, missing and drifting columns are named with their reason; what merely scatters stays."""
    x, times = healthy()
    more = np.column_stack([x, np.full(400, 4.2), times + np.sin(times), np.full(400, np.nan)])
    screening = screen(more, times)
    assert dict(screening.left_out) == {6: "constant", 7: "drifts", 8: "missing"}
    assert list(screening.kept) == [0, 1, 2, 3, 4, 5]
    names = [f"c{number}" for number in range(9)]
    assert names_left_out(screening, names) == {"constant": ("c6",), "drifts": ("c7",), "missing": ("c8",)}
    assert left_out_counts(screening) == "1 constant, 1 drifts, 1 missing"


def test_assets_that_differ_are_no_drift():
    """Levels are compared within an asset: machines of different levels, one after the other, do not drift."""
    rng = np.random.default_rng(0)
    assets = np.repeat(np.arange(4), 100)
    x = rng.normal(size=(400, 1)) + 10.0 * assets[:, None]
    times = np.arange(400.0)
    assert screen(x, times).left_out
    assert not screen(x, np.tile(np.arange(100.0), 4), assets).left_out


def test_a_share_of_bad_rows_is_not_learned_from():
    """A tenth of bad rows is left out, said, and an anomaly of their kind still scores near one."""
    x, times = healthy()
    spoiled = x.copy()
    spoiled[100:140] += 15 * x.std(axis=0) * [1, -1, 1, -1, 1, -1]
    fitted = fit_anomalies(spoiled, times, detector="mahalanobis", purge=10.0)
    assert fitted.model.rows_left_out == 40
    assert not fitted.trusted[100:140].any()
    assert fitted.model.scores(spoiled)[100:140].min() > 0.9
    assert fitted.held_out[100:140].min() > 1.0


def test_no_healthy_row_is_left_out_of_plain_noise():
    """What is left out is far from the rest, not merely its edge."""
    x, _ = healthy(1000)
    z = (x - x.mean(0)) / x.std(0)
    assert (~trim(z).trusted).sum() <= 2


def test_missing_values_are_taken_as_usual():
    """A missing reading neither alarms nor breaks the score."""
    x, times = healthy()
    model = fit_anomalies(x, times, detector="mahalanobis", purge=10.0).model
    row = np.median(x, axis=0)[None].copy()
    row[0, 2] = np.nan
    assert model.scores(row)[0] < 0.3


def test_one_in_a_hundred_held_out_rows_scores_above_one_half():
    """The scale of the scores: 0.1 in the middle, 0.5 at the 99 % quantile, of rows that no detector had seen."""
    x, times = healthy(2000)
    fitted = fit_anomalies(x, times, detector="principal_components", purge=10.0)
    assert np.quantile(fitted.held_out, 0.5) == pytest.approx(0.0, abs=1e-9)
    assert (fitted.held_out > 1.0).mean() == pytest.approx(0.01, abs=0.002)


def test_what_cannot_be_learned_from_is_an_error_that_says_so():
    """Too few rows, no column left, or no block without its neighbours: each a clear error."""
    x, times = healthy()
    with pytest.raises(ModelError, match="has 10 samples"):
        fit_anomalies(x[:10], times[:10], detector="mahalanobis", purge=1.0)
    with pytest.raises(ModelError, match="none is left: 6 constant"):
        fit_anomalies(np.ones((100, 6)), times[:100], detector="mahalanobis", purge=1.0)
    with pytest.raises(ModelError, match="too short to hold out"):
        fit_anomalies(x, times, detector="mahalanobis", purge=1000.0)
    with pytest.raises(UsageError, match="Did you mean 'mahalanobis'"):
        members("mahalanobi")


def test_a_damaged_detector_is_refused():
    """A stored detector that is cut short, or holds something else, is a clear error."""
    x, times = healthy(100)
    stored = fit_anomalies(x, times, detector="mahalanobis", purge=5.0).model.to_bytes()
    for damaged in (stored[:100], b"{}", stored.replace(b'"<f8"', b'"|O8"'), stored.replace(b"mahal", b"nihil")):
        with pytest.raises(ModelError):
            AnomalyModel.from_bytes(damaged)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=40), st.floats(0.01, 0.5))
def test_a_limit_is_never_below_its_rank_among_the_blocks(highest, chance):
    """With enough blocks the limit is one of them; with fewer it is at least the highest."""
    values = np.array(highest)
    limit = blocked_limit(values, chance)
    if limit.extrapolated:
        assert chance * (len(values) + 1) < 1
        assert limit.value >= values.max()
    else:
        assert limit.value in values
        assert (values > limit.value).sum() <= chance * (len(values) + 1)


def test_one_block_gives_no_limit():
    """From a single block nothing follows about the next: no alarm."""
    assert blocked_limit(np.array([1.0]), 0.1).value == np.inf


@pytest.mark.verify
@pytest.mark.parametrize("n_blocks", [5, 40])
def test_the_next_block_exceeds_the_limit_as_often_as_declared(n_blocks):
    """The declared chance holds for exchangeable blocks, extrapolated or not."""
    rng = np.random.default_rng(0)
    exceeded = []
    for _ in range(4000):
        highest = rng.normal(size=n_blocks + 1)
        exceeded.append(highest[-1] > blocked_limit(highest[:-1], 0.1).value)
    assert np.mean(exceeded) == pytest.approx(0.1, abs=0.015)


def test_a_rate_gives_the_chance_of_a_block():
    """Rare alarms: the chance is the rate times the months; it never reaches one."""
    assert chance_of_block(0.5, 0.01) == pytest.approx(0.005, rel=0.01)
    assert chance_of_block(0.5, 100.0) <= 1.0


def test_one_odd_score_is_no_alarm():
    """The running median looks back only, and forgets a single odd score."""
    scores = np.array([0.0, 0.0, 9.0, 0.0, 9.0, 9.0, 9.0])
    assert list(running_median(scores, 3)) == [0, 0, 0, 0, 9, 9, 9]
    later = scores.copy()
    later[5:] = 0.0
    np.testing.assert_array_equal(running_median(scores, 3)[:5], running_median(later, 3)[:5])
