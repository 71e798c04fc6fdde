"""Tests of counts whose events may be correlated: exact expectations over all outcomes, and laws."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.sequential_tests.count_models import (
    CountModel,
    FloatArray,
    beta_binomial,
    negative_binomial,
    overshoot_tables,
)
from models.sequential_tests.dispersion import ReferenceCounts, dispersion_likelihoods
from models.sequential_tests.overdispersed import Hypotheses, overdispersed_evidence

THRESHOLD = 20.0
BETA_BINOMIAL, NEGATIVE_BINOMIAL = beta_binomial(0.3), negative_binomial(0.6)


def _nothing_before(histories: int, rate: float) -> ReferenceCounts:
    return ReferenceCounts(np.zeros((histories, 0)), np.zeros((histories, 0)), np.full(histories, rate))


def _evidence(
    model: CountModel,
    events: FloatArray,
    amount: float,
    null: float,
    harmful: float,
    reference: ReferenceCounts | None = None,
) -> tuple[FloatArray, FloatArray]:
    looks = np.ones(events.shape[1])
    before = _nothing_before(len(events), null) if reference is None else reference
    amounts = np.full(events.shape, amount)
    hypotheses = Hypotheses(null * looks, harmful * looks)
    return overdispersed_evidence(model, events, amounts, hypotheses, before, threshold=math.log(THRESHOLD))


def _draw(failures: int, share: float, correlation: float, size: tuple[int, int], seed: int) -> FloatArray:
    rng, spread = np.random.default_rng(seed), (1 - correlation) / correlation if correlation else 0.0
    shares = rng.beta(share * spread, (1 - share) * spread, size) if correlation else share
    return rng.binomial(failures, shares, size).astype(float)


@pytest.mark.parametrize(
    ("model", "amount", "looks", "null", "harmful", "most", "rates"),
    [
        (BETA_BINOMIAL, 6.0, 4, 0.2, 0.3, 6, (0.2, 0.15, 0.02)),
        (BETA_BINOMIAL, 20.0, 3, 0.2, 0.3, 20, (0.2, 0.1)),
        (BETA_BINOMIAL, 3.0, 5, 0.02, 0.12, 3, (0.02, 0.01)),
        (NEGATIVE_BINOMIAL, 2.0, 4, 1.0, 1.5, 14, (1.0, 0.5)),
    ],
)
def test_evidence_is_expected_to_be_one_at_most_at_every_dispersion(
    model: CountModel, amount: float, looks: int, null: float, harmful: float, most: int, rates: tuple[float, ...]
) -> None:
    """Over all outcomes of a few looks, at dispersions on the grid and between, and rates that keep the promise.

    The e-process is an e-value, and the e-detector reaches its threshold with a probability of looks / threshold.
    """
    counts = np.arange(most + 1.0)
    histories = np.array(list(itertools.product(counts, repeat=looks)))
    since, recent = _evidence(model, histories, amount, null, harmful)
    decided = (recent >= math.log(THRESHOLD)).any(axis=1)
    assert decided.any()
    for rate, dispersion in itertools.product(rates, (*model.dispersions, 0.03, 0.1, 0.2)):
        logs = model.log_likelihood(counts, np.array(amount), np.array(rate), np.array(dispersion))
        frequencies = np.exp(logs + model.log_frequency(counts, amount))
        probabilities = frequencies[histories.astype(int)].prod(axis=1)
        assert probabilities @ np.exp(since[:, -1]) <= 1
        assert probabilities @ decided <= looks / THRESHOLD


@given(
    events=st.integers(0, 30),
    more=st.integers(0, 30),
    rate=st.floats(0.01, 0.95),
    dispersion=st.floats(0.001, 0.9),
)
def test_frequencies_are_those_of_the_distributions(events: int, more: int, rate: float, dispersion: float) -> None:
    """Beta-binomial and negative binomial as scipy has them, and binomial and Poisson without dispersion."""
    trials, size = events + more, (1 - dispersion) / dispersion
    pairs = [
        (BETA_BINOMIAL, dispersion, stats.betabinom(trials, rate * size, (1 - rate) * size)),
        (BETA_BINOMIAL, 0.0, stats.binom(trials, rate)),
        (
            NEGATIVE_BINOMIAL,
            dispersion,
            stats.nbinom(1 / dispersion, 1 / (1 + dispersion * rate * trials)),
        ),
        (NEGATIVE_BINOMIAL, 0.0, stats.poisson(rate * trials)),
    ]
    for model, spread, distribution in pairs:
        if model is NEGATIVE_BINOMIAL and not trials:
            continue
        own = model.log_likelihood(np.array(events), np.array(trials), np.array(rate), np.array(spread))
        own = own + model.log_frequency(np.array(float(events)), float(trials))
        assert math.exp(own) == pytest.approx(distribution.pmf(events), rel=1e-6, abs=1e-12)


def test_tables_are_sums_over_all_counts() -> None:
    """What counts up to a cut contribute, summed one by one; the denominator has the larger of two dispersions."""
    rates = tuple(BETA_BINOMIAL.spread(0.2, 0.3).tolist())
    tables = overshoot_tables(BETA_BINOMIAL, 5.0, 0.2, rates)
    assert tables is not None
    parts, beyond = tables
    dispersions = BETA_BINOMIAL.dispersions
    parts = parts.reshape(len(beyond), len(dispersions), len(rates), len(dispersions))

    def frequency(count: int, rate: float, dispersion: float) -> float:
        if not dispersion:
            return float(stats.binom(5, rate).pmf(count))
        size = (1 - dispersion) / dispersion
        return float(stats.betabinom(5, rate * size, (1 - rate) * size).pmf(count))

    for null, numerator in ((0, 3), (3, 0), (4, 4)):
        larger = max(dispersions[null], dispersions[numerator])
        expected = sum(
            frequency(count, 0.2, dispersions[null])
            * frequency(count, rates[2], dispersions[numerator])
            / frequency(count, 0.2, larger)
            for count in range(4)
        )
        assert parts[3, null, 2, numerator] == pytest.approx(expected)
    assert beyond[3, 0] == pytest.approx(stats.binom(5, 0.2).sf(3))


def test_independent_events_are_soon_tested_as_such() -> None:
    """After looks that scatter as independent ones do, a jump is far stronger evidence than after looks that vary."""
    steady, varying = np.array([[4.0] * 12 + [9.0] * 3]), np.array([[0.0, 8.0, 4.0] * 4 + [9.0] * 3])
    (_, after_steady), (_, after_varying) = (_evidence(BETA_BINOMIAL, x, 20.0, 0.2, 0.3) for x in (steady, varying))
    assert after_steady[0, -1] > after_varying[0, -1] + 2


def test_an_evaluation_counted_by_week_says_how_events_depend() -> None:
    """Without healthy looks, weeks of the evaluation do as well."""
    jump, weeks = np.full((1, 3), 9.0), np.full((1, 12), 20.0)
    steady = ReferenceCounts(np.full((1, 12), 4.0), weeks, np.array([0.2]))
    varying = ReferenceCounts(np.array([[0.0, 8.0, 4.0] * 4]), weeks, np.array([0.2]))
    (after_steady, _), (after_varying, _) = (
        _evidence(BETA_BINOMIAL, jump, 20.0, 0.2, 0.3, before) for before in (steady, varying)
    )
    assert after_steady[0, -1] > after_varying[0, -1] + 1


@pytest.mark.parametrize("correlation", [0.0, 0.08])
def test_likelihoods_of_dispersions_find_the_true_one(correlation: float) -> None:
    """They are highest near the dispersion the looks were drawn with, also while their level changes slowly."""
    events = _draw(50, 0.2, correlation, (40, 100), seed=1)
    amounts, nulls = np.full(events.shape, 50.0), np.full(100, 0.3)
    likelihoods = dispersion_likelihoods(BETA_BINOMIAL, events, amounts, nulls, _nothing_before(40, 0.2))
    best = np.array(BETA_BINOMIAL.dispersions)[likelihoods[:, -1].argmax(axis=1)]
    assert np.median(best) == pytest.approx(correlation, abs=0.041)
    assert (likelihoods[:, 0] == 0).all()

    rising = np.random.default_rng(2).binomial(50, np.linspace(0.1, 0.3, 100), (40, 100)).astype(float)
    likelihoods = dispersion_likelihoods(BETA_BINOMIAL, rising, amounts, nulls, _nothing_before(40, 0.1))
    best = np.array(BETA_BINOMIAL.dispersions)[likelihoods[:, -1].argmax(axis=1)]
    assert np.median(best) <= 0.01


@settings(max_examples=20)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.data())
def test_looks_without_events_change_nothing(missed: list[int], data: st.DataObject) -> None:
    """Empty looks anywhere leave the evidence of all others as it was."""
    empty = data.draw(st.lists(st.booleans(), min_size=len(missed), max_size=len(missed)))
    places = np.cumsum([1 + extra for extra in empty]) - 1
    events, amounts = np.zeros((1, places[-1] + 1)), np.zeros((1, places[-1] + 1))
    events[0, places], amounts[0, places] = missed, 6.0
    full = np.ones(events.shape[1])
    since, recent = overdispersed_evidence(
        BETA_BINOMIAL,
        events,
        amounts,
        Hypotheses(0.2 * full, 0.3 * full),
        _nothing_before(1, 0.2),
        threshold=math.log(THRESHOLD),
    )
    alone = _evidence(BETA_BINOMIAL, np.array([missed], dtype=float), 6.0, 0.2, 0.3)
    np.testing.assert_allclose(since[0, places], alone[0][0], atol=1e-9)
    np.testing.assert_allclose(recent[0, places], alone[1][0], atol=1e-9)


@pytest.mark.parametrize(("model", "amount", "usual"), [(BETA_BINOMIAL, 20.0, 4.0), (NEGATIVE_BINOMIAL, 100.0, 20.0)])
def test_no_single_look_decides(model: CountModel, amount: float, usual: float) -> None:
    """However bad a look, it multiplies either evidence by a bounded factor; two or three bad ones decide."""
    bad = np.array([[*[usual] * 30, *[5 * usual] * 4]])
    most = math.log(model.most_gain) + 1e-9
    since, recent = _evidence(model, bad, amount, 0.2, 0.3)
    for values, started in ((since[0], 0.0), (recent[0], 1.0)):
        assert values[30] > values[29] + math.log(2), "it is evidence"
        # Each look starts another e-process of one.
        assert (np.exp(values[1:]) <= np.exp(most) * (np.exp(values[:-1]) + started)).all()
    assert recent[0, -1] > math.log(THRESHOLD)


def test_histories_side_by_side_are_those_alone() -> None:
    """Each history has the evidence that it has by itself, and later looks do not change earlier evidence."""
    events = _draw(6, 0.25, 0.05, (5, 20), seed=3)
    together = _evidence(BETA_BINOMIAL, events, 6.0, 0.2, 0.3)
    for history in range(5):
        for whole, alone in zip(together, _evidence(BETA_BINOMIAL, events[[history], :12], 6.0, 0.2, 0.3), strict=True):
            np.testing.assert_allclose(alone[0], whole[history, :12], rtol=1e-9)


@pytest.mark.parametrize("model", [BETA_BINOMIAL, NEGATIVE_BINOMIAL])
def test_huge_and_extreme_looks_are_finite(model: CountModel) -> None:
    """Hundreds of thousands of events, none at all and all of them give numbers."""
    events = np.array([[60_000.0, 0.0, 300_000.0, 299_999.0, 60_000.0]])
    for values in _evidence(model, events, 300_000.0, 0.2, 0.3):
        assert np.isfinite(values).all()


def test_no_looks_are_no_evidence() -> None:
    """A history without looks has none."""
    since, recent = _evidence(BETA_BINOMIAL, np.zeros((3, 0)), 6.0, 0.2, 0.3)
    assert since.shape == recent.shape == (3, 0)
