"""Findings that are wrong or missing: what rates and tests make of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from data_contracts.errors import UsageError
from models.monitoring.drift import FN, FP, RECENT, SINCE_PROMOTION, Budget, ReferenceRates
from models.monitoring.hidden_failures import hidden_failures
from models.outcomes.finding_errors import FindingQuality, unreported_defects
from pipelines.fleet.histories.look_counts import rejections
from pipelines.fleet.histories.monitored import MonitoredPlant, measure_reference_rates, simulated_looks
from pipelines.fleet.histories.slotted import SlottedPlant, estimated_rates

COUNTS = arrays.arrays(np.float64, 12, elements=st.integers(0, 9).map(float))
QUALITIES = st.builds(FindingQuality, st.floats(0.55, 1.0), st.floats(0.55, 1.0))


def test_defects_by_hand() -> None:
    """Of 100 inspected assets 50 were defective; one defect in five was called sound, one sound asset in ten defective.

    So 40 + 5 were reported.
    """
    quality = FindingQuality(sensitivity=0.8, specificity=0.9)
    assert quality.defect_share(0.45) == pytest.approx(0.5)
    hidden = unreported_defects([30, 15, 0], [10, 25, 20], quality)
    assert hidden.sum() == pytest.approx(5)


def test_findings_that_say_nothing_are_refused() -> None:
    """A coin says as much: no rate can be corrected by it."""
    for sensitivity, specificity in ((0.5, 0.5), (0.9, 0.1), (0.0, 1.0), (1.2, 1.0)):
        with pytest.raises(UsageError, match="sensitivity"):
            FindingQuality(sensitivity, specificity)


@given(COUNTS, COUNTS)
def test_right_findings_change_nothing(confirmed: np.ndarray, sound: np.ndarray) -> None:
    """Where every finding is right and reported, no defect is hidden."""
    assert not unreported_defects(confirmed, sound, FindingQuality()).any()
    missing, wrong = hidden_failures(confirmed, sound, np.zeros(12), FindingQuality())
    assert not missing.any()
    assert not wrong.any()


@given(COUNTS, COUNTS, QUALITIES)
def test_there_are_no_more_defects_than_inspections(
    confirmed: np.ndarray, sound: np.ndarray, quality: FindingQuality
) -> None:
    """However findings are corrected, the defects of a fleet stay between none and all inspected."""
    defects = (confirmed + unreported_defects(confirmed, sound, quality)).sum()
    assert -1e-6 <= defects <= (confirmed + sound).sum() + 1e-6


@given(COUNTS, COUNTS, COUNTS, QUALITIES, st.integers(1, 11))
def test_hidden_failures_use_nothing_later(
    confirmed: np.ndarray, sound: np.ndarray, unreported: np.ndarray, quality: FindingQuality, cut: int
) -> None:
    """Looks not taken yet change no earlier one; nothing is below zero, and no more is hidden than was there."""
    whole = hidden_failures(confirmed, sound, unreported, quality)
    part = hidden_failures(confirmed[:cut], sound[:cut], unreported[:cut], quality)
    for every, early in zip(whole, part, strict=True):
        assert np.array_equal(every[:cut], early)
        assert (every >= 0).all()
    assert (whole[0].cumsum() <= unreported.cumsum()).all()
    assert (whole[1].cumsum() <= sound.cumsum()).all()


def test_corrected_rates_are_right_on_average() -> None:
    """Of findings that call a fifth of the defects sound, the plain rates are wrong; the corrected intervals cover."""
    plant = SlottedPlant(sensitivity=0.8)
    plain = estimated_rates(plant, 60, seed=5)
    rates = estimated_rates(plant, 60, seed=5, findings=FindingQuality(sensitivity=0.8))
    for name, truth in (("false", plant.false_per_month), ("missed", plant.missed)):
        assert plain[name].mean() > 1.1 * truth
        assert rates[name].mean() == pytest.approx(truth, rel=0.06)
        assert ((rates[f"{name}_low"] <= truth) & (truth <= rates[f"{name}_high"])).mean() > 0.87
        assert ((rates[f"{name}_bound_low"] <= truth) & (truth <= rates[f"{name}_bound_high"])).mean() > 0.87


@pytest.fixture(scope="module")
def reference() -> ReferenceRates:
    return measure_reference_rates(MonitoredPlant(), np.random.default_rng(11), assets=8000)


@pytest.mark.verify
@pytest.mark.parametrize(("unreported", "misreported"), [(0.1, 0.0), (0.33, 0.0), (0.0, 0.2), (0.33, 0.2)])
def test_missing_and_wrong_findings_retrain_nothing(
    reference: ReferenceRates, unreported: float, misreported: float
) -> None:
    """With late reports, a third of the findings missing and a fifth wrong, tests keep their budgets; drift shows."""
    histories, budget = 800, Budget()
    plant = MonitoredPlant(assets=160, unreported_share=unreported, misreported=misreported)
    over = rejections(simulated_looks(plant, histories, seed=12), reference, budget)
    for rate in (FN, FP):
        half = budget.part(budget.missed_share if rate == FN else 1 - budget.missed_share)
        for test, allowed in ((SINCE_PROMOTION, half.alpha), (RECENT, 24 / half.mean_time_between_false)):
            share = over[rate, test].any(axis=1).mean()
            assert share <= allowed + 2 * math.sqrt(allowed / histories), (rate, test)
    worse = rejections(simulated_looks(replace(plant, worse_from=6), 50, seed=13), reference, budget)
    assert (worse[FN, SINCE_PROMOTION] | worse[FN, RECENT]).any(axis=1).mean() > 0.8
