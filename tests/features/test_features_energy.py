"""Chunks of energy and shares of mass."""

import numpy as np
import pytest

from features import slow_features
from features.calculators.calculate import calculate


@pytest.mark.parametrize("samples", [1, 5, 10, 13, 29, 200])
@pytest.mark.parametrize("segments", [1, 3, 10])
def test_chunks_are_those_of_numpy(samples: int, segments: int) -> None:
    """Chunks share the window as numpy.array_split does, empty ones have no energy, and together they have all."""
    series = np.random.default_rng(samples).normal(size=samples)
    names = [f"energy_ratio_by_chunks__num_segments_{segments}__segment_focus_{k}" for k in range(segments)]
    result = calculate(series[None, :], names)[0]
    parts = [np.sum(chunk**2) for chunk in np.array_split(series, segments)]
    np.testing.assert_allclose(result, np.array(parts) / np.sum(series**2))
    assert result.sum() == pytest.approx(1)


def test_a_chunk_that_is_not_there_is_left_to_tsfresh() -> None:
    """Of three chunks there is no fourth one."""
    wrong = "energy_ratio_by_chunks__num_segments_3__segment_focus_3"
    assert slow_features([wrong]) == (wrong,)


@pytest.mark.parametrize("samples", [1, 2, 10, 100, 1000])
def test_the_share_of_mass_is_decided_by_numpy_s_rounding(samples: int) -> None:
    """Ten equal samples reach exactly their share, or miss it by rounding, as numpy does."""
    shares = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0, 1.5)
    for series in (np.full(samples, 0.1), np.full(samples, -7.3), np.arange(float(samples)) % 3 + 0.1):
        result = calculate(series[None, :], [f"index_mass_quantile__q_{share}" for share in shares])[0]
        mass = np.cumsum(np.abs(series)) / np.sum(np.abs(series))
        assert result.tolist() == [(np.argmax(mass >= share) + 1) / samples for share in shares]
